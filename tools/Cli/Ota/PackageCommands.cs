using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Firmware.Board;
using DePIN.Firmware.Update;
using DePIN.Gateway.Update;
using DePIN.Protocol;

namespace DePIN.Cli.Ota;

/// <summary>`depin ota keygen`, `pack`, `inspect` and `unpack`: files only, no gateway is asked.</summary>
public static class PackageCommands
{
    private const string ListFile = "files.json";

    public static Command CreateKeygen()
    {
        Option<string> output = new("--out") { Description = "The key file to make (mode 0600). Keep a copy off this machine.", HelpName = "FILE", Required = true };
        Command command = new("keygen", "Makes the operator's key. Its public half goes into gateways (update.operatorKey) and nodes (operator-key).") { output };
        command.SetAction(parsed =>
        {
            using ECDsa key = OperatorKeyFile.Create(parsed.GetValue(output)!);
            Console.Error.WriteLine($"written to {parsed.GetValue(output)}: who has it can replace the software of every node that is provisioned with this public key:");
            Console.WriteLine(OperatorKey.TextOf(key));
            return ExitCode.Ok;
        });
        return command;
    }

    public static Command CreatePack()
    {
        Option<string> board = new("--board") { Description = "The board the files were built for, as `depin board list` prints it.", HelpName = "BOARD", Required = true };
        Option<uint> release = new("--release") { Description = "Grows with every release; nodes take only a higher one than their own.", HelpName = "N", Required = true };
        Option<string> version = new("--version") { Description = "The release as people call it, at most 15 characters.", HelpName = "TEXT", Required = true };
        Option<string> runtime = new("--min-runtime") { Description = "The oldest nanoFramework runtime that can run the files.", HelpName = "A.B.C.D", Required = true };
        Option<string> key = new("--key") { Description = "The operator's key file.", HelpName = "FILE", Required = true };
        Option<string> output = new("--out") { Description = "The package to write; an existing file is not replaced.", HelpName = "PACKAGE", Required = true };
        Argument<string[]> files = new("files") { Description = "The assemblies (.pe) in the order they are loaded; the last is the application.", HelpName = "FILES", Arity = ArgumentArity.OneOrMore };
        Command command = new("pack", "Packs and signs a release for one board.") { board, release, version, runtime, key, output, files };
        command.SetAction(parsed => Pack(parsed.GetValue(board)!, parsed.GetValue(release), parsed.GetValue(version)!, parsed.GetValue(runtime)!, parsed.GetValue(key)!, parsed.GetValue(output)!,
            parsed.GetValue(files)!));
        return command;
    }

    public static Command CreateInspect()
    {
        Argument<string> file = new("package") { Description = "What `depin ota pack` wrote.", HelpName = "PACKAGE" };
        Option<string?> publicKey = new("--operator") { Description = "The operator's public key: also check the signature.", HelpName = "HEX" };
        Option<bool> json = new("--json") { Description = "One JSON line." };
        Command command = new("inspect", "Checks a package's sizes and hashes and shows what it is. Ends with 1 when --operator did not sign it.") { file, publicKey, json };
        command.SetAction(parsed => Inspect(parsed.GetValue(file)!, parsed.GetValue(publicKey), parsed.GetValue(json)));
        return command;
    }

    public static Command CreateUnpack()
    {
        Argument<string> file = new("package") { Description = "What `depin ota pack` wrote.", HelpName = "PACKAGE" };
        Option<string> output = new("--out") { Description = "The folder to make.", HelpName = "DIR", Required = true };
        Command command = new("unpack", "Writes a node's first slot and the list that `depin flash --files` puts onto its drive, beside the loader.") { file, output };
        command.SetAction(parsed => Unpack(Read(parsed.GetValue(file)!), parsed.GetValue(output)!));
        return command;
    }

    /// <summary>Reads a package; a wrong one is an error that says why.</summary>
    public static UpdatePackage Read(string path)
    {
        byte[] content;
        try
        {
            content = new FileInfo(path).Length <= UpdatePackage.BytesMax ? File.ReadAllBytes(path)
                : throw new CliError(ExitCode.BadInput, $"{path} is too large for a package ({UpdatePackage.BytesMax} bytes at most)", "name the file that 'depin ota pack' wrote");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{path} cannot be read: {error.Message}", "name the file that 'depin ota pack' wrote");
        }

        return UpdatePackage.Read(content, out string fault) ?? throw new CliError(ExitCode.BadInput, $"{path} is no package: {fault}", "pack it again with 'depin ota pack', or copy it again");
    }

    private static int Pack(string board, uint release, string version, string runtimeText, string keyFile, string output, string[] paths)
    {
        string[] parts = runtimeText.Split('.');
        ushort[] runtime = new ushort[UpdateManifest.RuntimeParts];
        bool parsed = parts.Length == runtime.Length;
        for (int i = 0; parsed && i < runtime.Length; i++)
        {
            parsed = ushort.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out runtime[i]);
        }

        if (!parsed)
        {
            throw new CliError(ExitCode.BadInput, $"--min-runtime: '{runtimeText}' is no version of four numbers", "for example 1.9.1.0: 'nanoff --listtargets' and the node's start-up line show them");
        }

        using ECDsa key = OperatorKeyFile.Read(keyFile);
        List<(string Name, byte[] Content)> files = [];
        foreach (string path in paths)
        {
            try
            {
                files.Add((Path.GetFileName(path), new FileInfo(path).Length <= UpdateManifest.TotalBytesMax ? File.ReadAllBytes(path)
                    : throw new CliError(ExitCode.BadInput, $"{path} is larger than all files may be together ({UpdateManifest.TotalBytesMax} bytes)", "pack assemblies (.pe) and no images")));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new CliError(ExitCode.BadInput, $"{path} cannot be read: {error.Message}", "build the firmware first, then name its .pe files");
            }
        }

        UpdatePackage package;
        try
        {
            package = UpdatePackage.Create(board, release, version, runtime, files, key);
        }
        catch (ArgumentException error)
        {
            throw new CliError(ExitCode.BadInput, $"these make no package: {error.Message}",
                "board, version and file names are short and of A-Z a-z 0-9 . _ -; releases count from 1; 1 to 16 files, none empty, of different names");
        }

        try
        {
            using FileStream file = new(output, FileMode.CreateNew);
            file.Write(package.Content);
            file.Flush(flushToDisk: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, File.Exists(output) ? $"--out: {output} is there already" : $"--out: {output} cannot be written: {error.Message}", "name a new file");
        }

        Console.WriteLine(Text(package));
        return ExitCode.Ok;
    }

    private static int Inspect(string path, string? publicKey, bool json)
    {
        using OperatorKey? key = publicKey is null ? null
            : OperatorKey.TryParse(publicKey) ?? throw new CliError(ExitCode.BadInput, "--operator is no public P-256 key", "give the 128 hex digits that 'depin ota keygen' printed");
        UpdatePackage package = Read(path);
        bool? signed = key is null ? null : package.IsSignedBy(key);
        Console.WriteLine(json ? Json(package, signed).ToJsonString() : Text(package) + (signed is null ? "" : $"{Environment.NewLine}  signature    {(signed.Value ? "the operator's" : "NOT this operator's")}"));
        return signed == false ? ExitCode.Failed : ExitCode.Ok;
    }

    private static int Unpack(UpdatePackage package, string folder)
    {
        const int First = 0;
        if (Path.Exists(folder)) throw new CliError(ExitCode.BadInput, $"--out: {folder} is there already", "name a new folder");
        List<(string Name, byte[] Content)> files = [(SlotFiles.ManifestName(First), package.ManifestBytes)];
        for (int i = 0; i < package.Manifest.FileCount; i++) files.Add((SlotFiles.FileName(First, package.Manifest.Names[i]), package.File(i).ToArray()));
        JsonArray list = [.. files.Select(file => (JsonNode)new JsonObject { ["DestinationFilePath"] = BoardPins.FlashRoot + file.Name, ["SourceFilePath"] = file.Name })];
        try
        {
            Directory.CreateDirectory(folder);
            foreach ((string name, byte[] content) in files) File.WriteAllBytes(Path.Combine(folder, name), content);
            File.WriteAllText(Path.Combine(folder, ListFile), new JsonObject { ["files"] = list }.ToJsonString());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"--out: {folder} cannot be written: {error.Message}", "name a folder that can be made");
        }

        Console.WriteLine($"{files.Count} files and {ListFile} in {folder}; onto a board with the loader: depin flash --board {package.Manifest.Board} --skip-runtime --files {Path.Combine(folder, ListFile)}");
        return ExitCode.Ok;
    }

    private static string Text(UpdatePackage package)
    {
        UpdateManifest manifest = package.Manifest;
        IEnumerable<string> files = manifest.Names.Select((name, i) => $"  {name,-24} {manifest.Sizes[i],9} bytes  {Convert.ToHexStringLower(manifest.Hashes[i])}");
        return string.Join(Environment.NewLine,
        [
            $"release {manifest.Release} ({manifest.VersionText}) for {manifest.Board}, runtime {package.Runtime} or newer",
            $"  manifest     {Convert.ToHexStringLower(package.Hash)}",
            $"  operator     {Convert.ToHexStringLower(manifest.OperatorId)}",
            $"  files        {manifest.FileCount}, {manifest.TotalBytes} bytes",
            .. files,
        ]);
    }

    private static JsonObject Json(UpdatePackage package, bool? signed) => new()
    {
        ["board"] = package.Manifest.Board, ["release"] = package.Manifest.Release, ["version"] = package.Manifest.VersionText, ["minRuntime"] = package.Runtime,
        ["manifest"] = Convert.ToHexStringLower(package.Hash), ["operator"] = Convert.ToHexStringLower(package.Manifest.OperatorId), ["bytes"] = package.Manifest.TotalBytes, ["signed"] = signed,
        ["files"] = new JsonArray([.. package.Manifest.Names.Select((name, i) =>
            (JsonNode)new JsonObject { ["name"] = name, ["bytes"] = package.Manifest.Sizes[i], ["sha256"] = Convert.ToHexStringLower(package.Manifest.Hashes[i]) })]),
    };
}
