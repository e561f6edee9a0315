// The comb's table, recomputed from the definition of the curve. To write it again: dotnet test --filter Write_the_table

using System.Globalization;
using System.Numerics;
using System.Text;

namespace DePIN.Protocol.Tests;

public sealed class P256TableTests
{
    private const int Blocks = 4;
    private const int LimbsOfCoordinate = 9;

    [Test]
    public void Every_limb_of_the_table_is_what_the_curve_says()
    {
        Assert.That(P256Table.Limbs, Is.EqualTo(Compute().SelectMany(row => row)));
    }

    [Test]
    [Category("ByHand"), Explicit("writes shared/Protocol/P256Table.cs")]
    public void Write_the_table()
    {
        string path = Repository.FilePath("shared", "Protocol", "P256Table.cs");
        string source = File.ReadAllText(path);
        int start = source.IndexOf("{\n", source.IndexOf("Limbs =", StringComparison.Ordinal), StringComparison.Ordinal) + 2;
        int end = source.IndexOf("        };", start, StringComparison.Ordinal);
        StringBuilder rows = new();
        foreach (uint[] row in Compute())
        {
            rows.Append("            ").AppendJoin(' ', row.Select(limb => string.Create(CultureInfo.InvariantCulture, $"0x{limb:X8},"))).Append('\n');
        }

        File.WriteAllText(path, source[..start] + rows + source[end..]);
    }

    // x and y rows of the 128 points in order.
    private static IEnumerable<uint[]> Compute()
    {
        for (int block = 0; block < Blocks; block++)
        {
            for (int index = 0; index < 32; index++)
            {
                BigInteger multiple = BigInteger.One << 220;
                for (int tooth = 0; tooth < 5; tooth++)
                {
                    BigInteger power = BigInteger.One << (44 * tooth);
                    multiple += (index >> tooth & 1) == 1 ? power : -power;
                }

                (BigInteger x, BigInteger y) = P256Reference.Multiply(multiple << (11 * block))!.Value;
                yield return Limbs(x);
                yield return Limbs(y);
            }
        }
    }

    private static uint[] Limbs(BigInteger coordinate)
    {
        BigInteger montgomery = P256Reference.Mod(coordinate << 261, P256Reference.P);
        return [.. Enumerable.Range(0, LimbsOfCoordinate).Select(i => (uint)((montgomery >> (29 * i)) & 0x1FFFFFFF))];
    }
}
