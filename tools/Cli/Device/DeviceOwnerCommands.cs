using System.CommandLine;
using System.Globalization;
using DePIN.Cli.Contracts;
using DePIN.Cli.Stake;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Cli.Device;

/// <summary>What a device's owner does with it in the DeviceRegistry, and what is there for all to see.</summary>
internal static class DeviceOwnerCommands
{
    /// <summary>The alphabet of geohashes, in order of value.</summary>
    private const string GeohashDigits = "0123456789bcdefghjkmnpqrstuvwxyz";
    private const int GeohashLength = 5;
    private const int GeohashBits = 5;
    private const int GeohashMask = 31;

    public static IEnumerable<Command> Create() =>
    [
        CreateRecord(), CreateDescribe(), CreateTransfer(), CreateRevoke(),
        new("key", "Another key for a device, without the one it has: proposed, and in force after a delay.") { CreatePropose(), CreateAccept(), CreateWithdraw() },
    ];

    /// <summary>A place of five characters as the registry's number; throws a <see cref="CliError"/> when it is none.</summary>
    internal static uint ParsePlace(string text)
    {
        uint place = 0;
        foreach (char digit in text.ToLowerInvariant())
            place = (place << GeohashBits) | (GeohashDigits.IndexOf(digit, StringComparison.Ordinal) is >= 0 and int value ? (uint)value : throw NoPlace(text));
        return text.Length == GeohashLength ? place : throw NoPlace(text);
    }

    /// <summary>The registry's number as a geohash.</summary>
    internal static string FormatPlace(uint place) => string.Concat(Enumerable.Range(0, GeohashLength).Select(i => GeohashDigits[(int)(place >> GeohashBits * (GeohashLength - 1 - i)) & GeohashMask]));

    private static Command CreateRecord()
    {
        NetworkOptions network = new();
        Argument<string> device = DeviceCommand.DeviceArgument();
        Command command = new("record", "What the registry on chain says of a device.") { device };
        network.AddTo(command, acts: false);
        command.SetAction(async (parsed, cancel) =>
        {
            byte[] id = Convert.FromHexString(DeviceCommand.Parse(parsed.GetValue(device)!));
            using NetworkAccess access = network.Look(parsed);
            await access.CheckAsync(cancel).ConfigureAwait(false);
            await PrintAsync(access, id, cancel).ConfigureAwait(false);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateDescribe()
    {
        Option<int> profile = new("--profile") { Description = "Profile number of its frames; 0 says none.", HelpName = "N" };
        Option<string?> place = new("--place") { Description = "Where it is, roughly: a geohash of five characters (about 5 km). Left out: not said.", HelpName = "GEOHASH" };
        return Acting("describe", "Says what a device is for and roughly where it is.", [profile, place], parsed =>
        {
            int number = parsed.GetValue(profile);
            if (number is < 0 or > ushort.MaxValue) throw new CliError(ExitCode.BadInput, $"--profile: {number} is no profile", $"give a number from 0 to {ushort.MaxValue}");
            uint where = parsed.GetValue(place) is { } text ? ParsePlace(text) : 0;
            return id => DeviceRegistry.EncodeDescribe(id, (ushort)number, where);
        });
    }

    private static Command CreateTransfer()
    {
        Option<string> to = new("--to") { Description = "The new owner. Rewards of the epochs from now on are theirs.", HelpName = "ADDRESS", Required = true };
        NetworkOptions network = new();
        Argument<string> device = DeviceCommand.DeviceArgument();
        Command command = new("transfer", "Gives a device's token to another owner.") { device, to };
        network.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            byte[] id = Convert.FromHexString(DeviceCommand.Parse(parsed.GetValue(device)!));
            Address owner = StakeCommand.Parse(parsed.GetValue(to)!);
            using NetworkAccess access = network.Act(parsed);
            await access.CheckAsync(cancel).ConfigureAwait(false);
            await access.SendAsync(access.Record.DeviceRegistry, DeviceRegistry.EncodeSafeTransferFrom(access.Account, owner, DeviceRegistryReader.TokenOf(id)), cancel).ConfigureAwait(false);
            await PrintAsync(access, id, cancel).ConfigureAwait(false);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateRevoke()
    {
        Option<bool> sure = new("--for-good") { Description = "Says that you know: no gateway takes its frames any more, and it cannot be undone. What was anchored stays proven." };
        return Acting("revoke", "Takes a device out of the network for good: stolen, broken, sold for parts.", [sure], parsed => parsed.GetValue(sure) ? id => DeviceRegistry.EncodeRevoke(id)
            : throw new CliError(ExitCode.BadInput, "a revocation cannot be undone", "add --for-good"));
    }

    private static Command CreatePropose()
    {
        Option<string> key = new("--public-key") { Description = "The new P-256 key, X ‖ Y: 128 hex digits, as 'depin provision' and a label's QR code have it.", HelpName = "HEX", Required = true };
        return Acting("propose", "Proposes a device's next key; 'accept' puts it in force after the delay that governance sets.", [key], parsed =>
        {
            byte[] point = ParseKey(parsed.GetValue(key)!);
            return id => DeviceRegistry.EncodeProposeKey(id, new Hash32(point.AsSpan(0, Hash32.Bytes)), new Hash32(point.AsSpan(Hash32.Bytes)));
        });
    }

    private static Command CreateAccept() => Acting("accept", "Puts a proposed key in force. Frames that the old key signed stay good, new ones it signs are refused.", [], _ => id => DeviceRegistry.EncodeAcceptKey(id));

    private static Command CreateWithdraw() => Acting("withdraw", "Withdraws a proposed key.", [], _ => id => DeviceRegistry.EncodeWithdrawKey(id));

    private static Command Acting(string name, string what, Option[] options, Func<ParseResult, Func<byte[], byte[]>> encode)
    {
        NetworkOptions network = new();
        Argument<string> device = DeviceCommand.DeviceArgument();
        Command command = new(name, what) { device };
        foreach (Option option in options) command.Options.Add(option);
        network.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            byte[] id = Convert.FromHexString(DeviceCommand.Parse(parsed.GetValue(device)!));
            byte[] call = encode(parsed)(id);
            using NetworkAccess access = network.Act(parsed);
            await access.CheckAsync(cancel).ConfigureAwait(false);
            await access.SendAsync(access.Record.DeviceRegistry, call, cancel).ConfigureAwait(false);
            await PrintAsync(access, id, cancel).ConfigureAwait(false);
            return ExitCode.Ok;
        });
        return command;
    }

    private static async Task PrintAsync(NetworkAccess network, byte[] id, CancellationToken cancel)
    {
        Address registry = network.Record.DeviceRegistry;
        DeviceRegistry.Device device = await network.ReadAsync<DeviceRegistry.Device>(registry, "deviceOf()", DeviceRegistry.EncodeDeviceOf(id), DeviceRegistry.TryDecodeDeviceOf, cancel).ConfigureAwait(false);
        string text = DeviceId.ToText(id, 0);
        if (device.RegisteredAt == 0) throw new CliError(ExitCode.Failed, $"device {text} is not registered", "check the id; a member of a batch is registered when its membership is shown");
        DeviceRegistry.Details details = await network.ReadAsync<DeviceRegistry.Details>(registry, "detailsOf()", DeviceRegistry.EncodeDetailsOf(id), DeviceRegistry.TryDecodeDetailsOf, cancel).ConfigureAwait(false);
        Address owner = await network.ReadAsync<Address>(registry, "ownerOf()", DeviceRegistry.EncodeOwnerOf(DeviceRegistryReader.TokenOf(id)), DeviceRegistry.TryDecodeOwnerOf, cancel).ConfigureAwait(false);
        Console.WriteLine($"device      {text}");
        Console.WriteLine($"owner       {owner.ToChecksumString()}");
        Console.WriteLine($"key         {Convert.ToHexStringLower(device.X.ToArray())}{Convert.ToHexStringLower(device.Y.ToArray())}");
        Console.WriteLine($"kept in     {DeviceRegistryReader.KeyKindName(device.KeyKind)}");
        Console.WriteLine($"changes     {details.Rotations.ToString(CultureInfo.InvariantCulture)} of key");
        if (details.PendingAt != 0)
            Console.WriteLine($"proposed    {Convert.ToHexStringLower(details.PendingX.ToArray())}{Convert.ToHexStringLower(details.PendingY.ToArray())}, may be accepted from {UnstakeCommand.Time(details.PendingAt)}");
        Console.WriteLine($"profile     {(details.Profile == 0 ? "not said" : details.Profile.ToString(CultureInfo.InvariantCulture))}");
        Console.WriteLine($"place       {(details.Location == 0 ? "not said" : FormatPlace(details.Location))}");
        Console.WriteLine($"registered  {UnstakeCommand.Time(device.RegisteredAt)}");
        Console.WriteLine($"state       {(device.RevokedAt == 0 ? "registered" : $"{(details.Suspended ? "suspended on evidence" : "revoked")} at {UnstakeCommand.Time(device.RevokedAt)}")}");
    }

    private static byte[] ParseKey(string text)
    {
        string hex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text[2..] : text;
        try
        {
            if (Convert.FromHexString(hex) is { Length: DeviceId.PublicKeyBytes } key) return key;
        }
        catch (FormatException)
        {
            // said below
        }

        throw new CliError(ExitCode.BadInput, $"--public-key: '{text}' is no public key", "give X and Y, 128 hex digits");
    }

    private static CliError NoPlace(string text) => new(ExitCode.BadInput, $"--place: '{text}' is no geohash of five characters", "give one such as u33db; finer places are nobody's business");
}
