using System.CommandLine;
using DePIN.Cli.Contracts;
using DePIN.Cli.Stake;
using DePIN.Cli.Terminal;
using DePIN.Cli.Verify;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Provision;

namespace DePIN.Cli.Provision;

/// <summary>
/// `depin provision batch`: collected claims registered by one Merkle root, in one transaction, and the list that gateways need to know the members. `depin provision member`: gives
/// members their tokens, whoever pays. Both may be run again: what the chain has is found and not paid for twice.
/// </summary>
public static class BatchCommand
{
    /// <summary>Longest address of a published list, as DeviceRegistry.URI_BYTES_MAX.</summary>
    private const int UriBytesMax = 256;

    public static Command Create()
    {
        Argument<string> claims = new("claims") { Description = "What --collect wrote, or a gateway's page kept.", HelpName = "CLAIMS" };
        Option<string> list = new("--list") { Description = "The file for gateways; its name should end with .members.", HelpName = "FILE", Required = true };
        Option<string?> owner = new("--owner") { Description = "Only claims of this owner; needed when the file has those of several.", HelpName = "ADDRESS" };
        Option<ushort> profile = new("--profile") { Description = "Profile number of all; 0: not said.", HelpName = "N" };
        Option<string> uri = new("--uri") { Description = "Where the list is published, for people; at most 256 bytes. Gateways get it from each other.", HelpName = "URI", DefaultValueFactory = _ => "" };
        NetworkOptions network = new();
        Command command = new("batch", $"Registers collected claims of one owner by one Merkle root, up to {MemberList.CountMax} in one transaction, and writes the list for gateways.") { claims, list, owner, profile, uri };
        network.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            Address? only = parsed.GetValue(owner) is { } text ? StakeCommand.Parse(text) : null;
            string published = parsed.GetValue(uri)!;
            if (System.Text.Encoding.UTF8.GetByteCount(published) > UriBytesMax) throw new CliError(ExitCode.BadInput, $"--uri has more than {UriBytesMax} bytes", "give a shorter address, or none");
            List<CollectedClaim> collected = ClaimCollector.Read(parsed.GetValue(claims)!);
            using NetworkAccess access = network.Act(parsed);
            (Address of, MemberList members) = Members(collected, access.Record, only);
            await access.CheckAsync(cancel).ConfigureAwait(false);
            Write(parsed.GetValue(list)!, members);
            ulong number = await RegisterAsync(access, members, of, parsed.GetValue(profile), published, cancel).ConfigureAwait(false);
            Console.WriteLine($"device batch {number}: {members.Count} devices of {of.ToChecksumString()}, root {members.Root}");
            Console.WriteLine($"  → give {parsed.GetValue(list)} to a gateway (its folder chain.memberLists, by default 'members' in its data folder); the others get it from each other");
            Console.WriteLine($"  → keep it: whoever has it can give a device its token (depin provision member {parsed.GetValue(list)} --batch {number} DEVICE); until then it is in no proof on chain and earns nothing");
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command CreateMember()
    {
        Argument<string> list = new("list") { Description = "The list that 'provision batch' wrote.", HelpName = "LIST" };
        Argument<string[]> devices = new("device") { Description = "Device ids, 40 hex digits each.", HelpName = "DEVICE", Arity = ArgumentArity.ZeroOrMore };
        Option<ulong> batch = new("--batch") { Description = "Number of the batch.", HelpName = "N", Required = true };
        Option<bool> all = new("--all") { Description = "Every device of the list." };
        NetworkOptions network = new();
        Command command = new("member", "Gives members of a batch their tokens, a transaction each; anyone may pay. Those that have one are passed over.") { list, devices, batch, all };
        network.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            string[] names = parsed.GetValue(devices)!;
            if (parsed.GetValue(all) == names.Length > 0) throw new CliError(ExitCode.BadInput, names.Length > 0 ? "both --all and devices" : "neither --all nor a device", "name the devices, or say --all");
            MemberList members = Read(parsed.GetValue(list)!);
            int[] which = names.Length == 0 ? [.. Enumerable.Range(0, members.Count)] : [.. names.Select(name => IndexOf(members, name))];
            using NetworkAccess access = network.Act(parsed);
            await access.CheckAsync(cancel).ConfigureAwait(false);
            return await RegisterMembersAsync(access, members, parsed.GetValue(batch), which, cancel).ConfigureAwait(false);
        });
        return command;
    }

    /// <summary>The claims for this chain, registry and owner, each checked: the chain sees none of them, so a wrong one would be found by gateways only.</summary>
    private static (Address Owner, MemberList Members) Members(List<CollectedClaim> claims, DeploymentRecord record, Address? only)
    {
        List<CollectedClaim> ours = [.. claims.Where(claim => claim.ChainId == record.ChainId && claim.Registry == record.DeviceRegistry.ToString() && (only is null || claim.Owner == only.ToString()))];
        foreach (CollectedClaim claim in claims.Except(ours)) Console.WriteLine($"{claim.Device}: passed over, it is for chain {claim.ChainId}, registry {claim.Registry}, owner {claim.Owner}");
        string[] owners = [.. ours.Select(claim => claim.Owner).Distinct()];
        if (owners.Length == 0) throw new CliError(ExitCode.BadInput, "no claim is for this chain, registry and owner", "give the deployment record that the claims were collected with, or another --owner");
        if (owners.Length > 1 || !Address.TryParse(owners[0], out Address owner)) throw new CliError(ExitCode.BadInput, $"the claims are of {owners.Length} owners", $"name one with --owner: {string.Join(", ", owners.Take(8))}");
        if (ours.Count > MemberList.CountMax) throw new CliError(ExitCode.BadInput, $"{ours.Count} claims", $"split the file: a batch has at most {MemberList.CountMax}");
        MemberList members = MemberList.Of([.. ours.Select(claim => (claim.KeyKind, Convert.FromHexString(claim.PublicKey), Convert.FromHexString(claim.Signature)))]);
        string[] wrong = [.. Enumerable.Range(0, members.Count).AsParallel().AsOrdered().Where(i => !members.IsSigned(i, record.ChainId, record.DeviceRegistry, owner)).Select(i => ours[i].Device)];
        return wrong.Length == 0 ? (owner, members)
            : throw new CliError(ExitCode.BadInput, $"{wrong.Length} claims are not signed by their device: {string.Join(", ", wrong.Take(8))}", "take those lines out, or provision these boards again");
    }

    private static async Task<ulong> RegisterAsync(NetworkAccess network, MemberList members, Address owner, ushort profile, string uri, CancellationToken cancel)
    {
        Address registry = network.Record.DeviceRegistry;
        if (await FindAsync(network, members, owner, profile, cancel).ConfigureAwait(false) is { } known)
        {
            Console.Error.WriteLine("it is registered already; nothing was sent");
            return known;
        }

        TransactionReceipt receipt = await network.SendAsync(registry, DeviceRegistry.EncodeRegisterBatch(members.Root, (uint)members.Count, owner, profile, uri), cancel).ConfigureAwait(false);
        foreach (EventLog log in receipt.Logs)
            if (log.Address == registry && DeviceRegistry.BatchRegisteredEvent.TryDecode(log.Topics, log.Data, out DeviceRegistry.BatchRegisteredEvent? registered)) return (ulong)registered.Batch;
        throw new CliError(ExitCode.Failed, "the transaction was mined without the registry's event", "check that --deployment names this chain's DeviceRegistry");
    }

    /// <summary>The number of the same batch, registered before; null when there is none.</summary>
    private static async Task<ulong?> FindAsync(NetworkAccess network, MemberList members, Address owner, ushort profile, CancellationToken cancel)
    {
        Hash32 topic = new([.. new byte[Hash32.Bytes - Address.Bytes], .. owner.ToArray()]);
        ulong head = await ChainClient.AskAsync(() => network.Client.GetBlockNumberAsync(cancel)).ConfigureAwait(false);
        LogFilter filter = new([network.Record.DeviceRegistry], [[DeviceRegistry.BatchRegisteredEvent.Topic], null, [topic]], network.Record.DeployedAtBlock, head);
        return await ChainClient.AskAsync(async () =>
        {
            await foreach (EventLog log in network.Client.GetLogsAsync(filter, cancel).ConfigureAwait(false))
                if (DeviceRegistry.BatchRegisteredEvent.TryDecode(log.Topics, log.Data, out DeviceRegistry.BatchRegisteredEvent? one) && one.Root == members.Root && one.Count == members.Count && one.Profile == profile)
                    return (ulong?)one.Batch;
            return null;
        }).ConfigureAwait(false);
    }

    private static async Task<int> RegisterMembersAsync(NetworkAccess network, MemberList members, ulong number, int[] which, CancellationToken cancel)
    {
        Address registry = network.Record.DeviceRegistry;
        DeviceRegistry.Batch batch = await network.ReadAsync<DeviceRegistry.Batch>(registry, "batchOf()", DeviceRegistry.EncodeBatchOf(number), DeviceRegistry.TryDecodeBatchOf, cancel).ConfigureAwait(false);
        if (batch.Root != members.Root) throw new CliError(ExitCode.BadInput, $"batch {number} has root {batch.Root}, the list gives {members.Root}", "name the list of that batch, or the batch of that list");
        MerkleTree tree = members.BuildTree();
        foreach (int index in which)
        {
            Address device = members.Device(index);
            string text = Convert.ToHexStringLower(device.ToArray());
            DeviceRegistry.Device known = await network.ReadAsync<DeviceRegistry.Device>(registry, "deviceOf()", DeviceRegistry.EncodeDeviceOf(device.ToArray()), DeviceRegistry.TryDecodeDeviceOf, cancel).ConfigureAwait(false);
            if (known.RegisteredAt == 0) await network.SendAsync(registry, DeviceRegistry.EncodeRegisterMember(number, members[index], tree.Proof(index)), cancel).ConfigureAwait(false);
            Console.WriteLine(known.RegisteredAt == 0 ? $"{text}: registered" : $"{text}: has its token already");
        }

        return ExitCode.Ok;
    }

    private static int IndexOf(MemberList members, string name)
    {
        byte[] id = new byte[Address.Bytes];
        if (!DePIN.Protocol.DeviceId.TryParse(name, id)) throw new CliError(ExitCode.BadInput, $"'{name}' is no device id", "give 40 hex digits");
        int index = members.IndexOf(new Address(id));
        return index >= 0 ? index : throw new CliError(ExitCode.BadInput, $"device {name} is not in the list", "name a device of the list");
    }

    private static MemberList Read(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MemberList.BytesMax) throw new CliError(ExitCode.BadInput, $"{path} is larger than any list", "name the list that 'depin provision batch' wrote");
            return MemberList.TryParse(File.ReadAllBytes(path), out MemberList? list, out string problem) ? list
                : throw new CliError(ExitCode.BadInput, $"{path}: {problem}", "name the list that 'depin provision batch' wrote");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{path} cannot be read: {error.Message}", "name the list that 'depin provision batch' wrote");
        }
    }

    /// <summary>Before anything is sent: a root whose list is lost registers nobody. Never over another file.</summary>
    private static void Write(string path, MemberList members)
    {
        try
        {
            if (File.Exists(path))
            {
                if (File.ReadAllBytes(path).AsSpan().SequenceEqual(members.Bytes.Span)) return;
                throw new CliError(ExitCode.BadInput, $"{path} is there already, and is another list", "give another name for --list");
            }

            using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write);
            file.Write(members.Bytes.Span);
            file.Flush(flushToDisk: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{path} cannot be written: {error.Message}", "give another name for --list; nothing was sent");
        }
    }
}
