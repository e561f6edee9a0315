// The compiled contracts, embedded: what a deployment sends. Written by tools/Devnet (ContractsBuild), committed.
using System.Text.Json;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>Reads <c>artifacts/&lt;Name&gt;.json</c> out of this assembly.</summary>
public static class ContractArtifact
{
    /// <summary>Longest code a deployment may send: EIP-3860, 2 x 24,576 bytes.</summary>
    public const int BytecodeBytesMax = 49_152;

    /// <summary>Creation code of a contract, without constructor arguments.</summary>
    /// <param name="name">Its Solidity name, such as "Ledger".</param>
    public static byte[] Bytecode(string name)
    {
        using JsonDocument artifact = Open(name);
        string text = artifact.RootElement.GetProperty("bytecode").GetString()!;
        return HexText.TryDecode(text, BytecodeBytesMax, out byte[] code)
            ? code
            : throw new InvalidOperationException($"The artifact of {name} has no readable bytecode: rebuild the contracts.");
    }

    /// <summary>The ABI, as JSON.</summary>
    /// <param name="name">Its Solidity name, such as "Ledger".</param>
    public static string Abi(string name)
    {
        using JsonDocument artifact = Open(name);
        return artifact.RootElement.GetProperty("abi").GetRawText();
    }

    private static JsonDocument Open(string name)
    {
        using Stream stream = typeof(ContractArtifact).Assembly.GetManifestResourceStream($"{name}.json")
            ?? throw new ArgumentException($"There is no contract {name}.", nameof(name));
        return JsonDocument.Parse(stream);
    }
}
