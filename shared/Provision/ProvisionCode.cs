namespace DePIN.Provision;

/// <summary>What can come out of a board's way through provisioning: a code that never changes its meaning, and what the technician does next.</summary>
/// <param name="Code">"P" and three digits; the first is the step.</param>
/// <param name="Meaning">One line.</param>
/// <param name="Next">What to do, for a person with the board in the hand.</param>
public sealed record ProvisionCode(string Code, string Meaning, string Next)
{
    public static readonly ProvisionCode Done = new("P000", "provisioned: the gateway verified a frame", "attach the label and take the next board");
    public static readonly ProvisionCode AlreadyDone = new("P001", "was provisioned before and its frames arrive", "take the next board");
    public static readonly ProvisionCode Collected = new("P002", "configured, its claim is collected", "take the next board; who pays registers the claims: depin provision register");

    public static readonly ProvisionCode PortUnusable = new("P101", "the port cannot be opened", "do what the message says, then provision it again");
    public static readonly ProvisionCode SameBoardTwice = new("P102", "this board is on another port too", "unplug one of its two cables");

    public static readonly ProvisionCode NotDeployed = new("P103", "nanoff could not give the board its files", "press the board's reset button, close whatever else has the port, provision it again; nanoff's own words are in the report's folder");

    public static readonly ProvisionCode NoAnswer = new("P201", "no firmware answers", "flash the board (depin flash), check that the cable carries data, provision it again");
    public static readonly ProvisionCode BadIdentity = new("P202", "the answer is not an identity", "flash this version's firmware onto the board");
    public static readonly ProvisionCode KeyUnusable = new("P203", "the board has no usable key", "put it aside: firmware/Sign/README.md says what its state means; a new key would be a new device");
    public static readonly ProvisionCode Garbled = new("P204", "the answers come damaged", "take a shorter cable or another USB socket and provision it again");

    public static readonly ProvisionCode ClaimRefused = new("P301", "the board did not sign the claim", "restart the board and provision it again");
    public static readonly ProvisionCode ClaimWrong = new("P302", "the signature is not by the key that the board named", "put the board aside: it is broken, or not what it says");

    public static readonly ProvisionCode SettingsRefused = new("P401", "the board refused the settings", "mend the template as the message says");

    public static readonly ProvisionCode Locked = new("P402", "the board is locked", "its owner or operator unlocks it; a stranger's board is put aside");
    public static readonly ProvisionCode NoNetwork = new("P403", "the board cannot join the Wi-Fi network", "check the network's name, its password and the board's place, provision it again");

    public static readonly ProvisionCode ChainAway = new("P501", "the chain's endpoint does not answer", "check the network and the template's rpc, provision it again: nothing is registered twice");
    public static readonly ProvisionCode OwnedByAnother = new("P502", "the device belongs to another owner", "ask that owner to transfer its token, or put the board aside");
    public static readonly ProvisionCode Revoked = new("P503", "the device was revoked for good", "put the board aside");
    public static readonly ProvisionCode RegistrationRefused = new("P504", "the chain refused the registration", "the message says why; an empty account needs funds");

    public static readonly ProvisionCode GatewayAway = new("P601", "the gateway does not answer", "check the gateway and the network, provision it again");
    public static readonly ProvisionCode NoFrame = new("P602", "no verified frame came in time", "look at the board's light (firmware/Life/README.md), at the Wi-Fi and at the gateway's address, provision it again");

    public static readonly ProvisionCode LabelFailed = new("P701", "the label cannot be written", "free space or another --labels folder, then provision it again");

    public static readonly ProvisionCode Interrupted = new("P901", "was ended before it was done", "provision it again: it goes on where it was");
    public static readonly ProvisionCode HungUp = new("P902", "the board was unplugged or its port vanished", "plug it in again and provision it again: it goes on where it was");

    /// <summary>Every code, in order.</summary>
    public static IReadOnlyList<ProvisionCode> All { get; } =
    [
        Done, AlreadyDone, Collected, PortUnusable, SameBoardTwice, NotDeployed, NoAnswer, BadIdentity, KeyUnusable, Garbled, ClaimRefused, ClaimWrong, SettingsRefused, Locked, NoNetwork,
        ChainAway, OwnedByAnother, Revoked, RegistrationRefused, GatewayAway, NoFrame, LabelFailed, Interrupted, HungUp,
    ];

    /// <summary>Whether a code says that nothing is left to do for this board now.</summary>
    public static bool IsSuccess(string code) => code[1] == '0';
}

/// <summary>A step that did not succeed, with its code.</summary>
public sealed class ProvisionException(ProvisionCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    public ProvisionCode Code { get; } = code;
}
