// Compiles the contracts and writes what the repository commits of them: artifacts/<Name>.json and the C# callers <Name>.g.cs.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DePIN.Devnet;

/// <summary>
/// The same sources give the same bytes on every machine: the compiler and libraries come from the lock file, and the code
/// carries no metadata. So the results are committed, .NET builds without Node.js, and a test compares.
/// </summary>
public static class ContractsBuild
{
    /// <summary>The contracts that have an artifact and a C# caller: each is src/&lt;Name&gt;.sol.</summary>
    public static readonly IReadOnlyList<string> Contracts = 
    [
        "DeviceRegistry", "Disputes", "GatewayRegistry", "Ledger", "NetworkGovernor", "NetworkTimelock", "NetworkToken", "Parameters", "Rewards",
    ];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n" };

    private static string Folder => Repository.ContractsFolder;

    /// <summary>Compiles and writes the artifacts and callers that changed.</summary>
    /// <returns>Paths of the files written, relative to shared/Contracts; empty when all were fresh.</returns>
    /// <exception cref="DevnetException">The sources do not compile; the message is the compiler's.</exception>
    public static async Task<IReadOnlyList<string>> RunAsync(CancellationToken ct = default)
    {
        List<string> written = [];
        foreach ((string path, string text) in await CompileAsync(ct).ConfigureAwait(false))
        {
            string file = Path.Combine(Folder, path);
            if (File.Exists(file) && await ReadTextAsync(file, ct).ConfigureAwait(false) == text)
                continue;
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await File.WriteAllTextAsync(file, text, ct).ConfigureAwait(false);
            written.Add(path);
        }
        return written;
    }

    /// <summary>Compiles, writes nothing, and names the committed files that differ from what the sources give.</summary>
    public static async Task<IReadOnlyList<string>> FindStaleAsync(CancellationToken ct = default)
    {
        List<string> stale = [];
        foreach ((string path, string text) in await CompileAsync(ct).ConfigureAwait(false))
        {
            string file = Path.Combine(Folder, path);
            if (!File.Exists(file) || await ReadTextAsync(file, ct).ConfigureAwait(false) != text)
                stale.Add(path);
        }
        return stale;
    }

    /// <summary>SHA-256 over all that decides the code: sources, compiler settings and the lock file. 64 hex digits.</summary>
    public static string SourceHash()
    {
        IEnumerable<string> files = Directory.EnumerateFiles(Path.Combine(Folder, "src"), "*.sol", SearchOption.AllDirectories)
            .Append(Path.Combine(Folder, "foundry.toml"))
            .Append(Path.Combine(Folder, "package-lock.json"));
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((string name, string file) in files.Select(file => (Path.GetRelativePath(Folder, file).Replace('\\', '/'), file)).OrderBy(pair => pair.Item1, StringComparer.Ordinal))
        {
            byte[] text = Encoding.UTF8.GetBytes(File.ReadAllText(file).ReplaceLineEndings("\n"));
            hash.AppendData(Encoding.UTF8.GetBytes($"{name}\0{text.Length}\0"));
            hash.AppendData(text);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Whether the committed artifacts were made from the present sources; compiles nothing.</summary>
    public static bool IsFresh()
    {
        string hash = SourceHash();
        return Contracts.All(name =>
        {
            string file = Path.Combine(Folder, ArtifactPath(name));
            return File.Exists(file) && JsonNode.Parse(File.ReadAllText(file))?["sourceHash"]?.GetValue<string>() == hash;
        });
    }

    private static async Task<List<(string Path, string Text)>> CompileAsync(CancellationToken ct)
    {
        // A folder of its own, so that builds of several processes do not meet in out/ and cache/.
        DirectoryInfo scratch = Directory.CreateTempSubdirectory("depin-contracts-");
        try
        {
            ToolResult result = await Foundry.RunForgeAsync(
                ["build", "src", "--out", Path.Combine(scratch.FullName, "out"), "--cache-path", Path.Combine(scratch.FullName, "cache"), "--force"],
                null, ct).ConfigureAwait(false);
            if (result.ExitCode != 0)
                throw new DevnetException($"The contracts do not compile:\n{result.Error.Trim()}\n{result.Output.Trim()}");

            string sourceHash = SourceHash();
            string solc = await SolcVersionAsync(ct).ConfigureAwait(false);
            List<(string, string)> files = [];
            foreach (string name in Contracts)
            {
                string output = Path.Combine(scratch.FullName, "out", name + ".sol", name + ".json");
                JsonNode compiled = JsonNode.Parse(await File.ReadAllTextAsync(output, ct).ConfigureAwait(false))!;
                JsonArray abi = compiled["abi"]!.AsArray();
                JsonObject artifact = new()
                {
                    ["contract"] = name,
                    ["solc"] = solc,
                    ["sourceHash"] = sourceHash,
                    ["bytecode"] = compiled["bytecode"]!["object"]!.GetValue<string>(),
                    ["deployedBytecode"] = compiled["deployedBytecode"]!["object"]!.GetValue<string>(),
                    ["abi"] = abi.DeepClone(),
                };
                files.Add((ArtifactPath(name), artifact.ToJsonString(Indented) + "\n"));
                files.Add(($"Callers/{name}.g.cs", CallerWriter.Write(name, abi)));
            }
            return files;
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    private static string ArtifactPath(string name) => $"artifacts/{name}.json";

    private static async Task<string> ReadTextAsync(string file, CancellationToken ct) =>
        (await File.ReadAllTextAsync(file, ct).ConfigureAwait(false)).ReplaceLineEndings("\n");

    private static async Task<string> SolcVersionAsync(CancellationToken ct)
    {
        string package = Path.Combine(Folder, "node_modules", "solc", "package.json");
        JsonNode node = JsonNode.Parse(await File.ReadAllTextAsync(package, ct).ConfigureAwait(false))!;
        return node["version"]!.GetValue<string>();
    }
}
