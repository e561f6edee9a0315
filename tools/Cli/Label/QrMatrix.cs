using QRCoder;

namespace DePIN.Cli.Label;

/// <summary>A QR code's dark modules, the quiet zone of four around them included (ISO/IEC 18004 section 6.3.8). Error correction M.</summary>
public sealed class QrMatrix
{
    private readonly System.Collections.BitArray[] rows;

    public QrMatrix(string text)
    {
        using QRCodeGenerator generator = new();
        using QRCodeData data = generator.CreateQrCode(text, QRCodeGenerator.ECCLevel.M);
        rows = [.. data.ModuleMatrix];
        Png = new PngByteQRCode(data).GetGraphic(PngPixels);
    }

    /// <summary>Pixels of the PNG a module.</summary>
    public static int PngPixels => 8;

    /// <summary>Modules a side.</summary>
    public int Size => rows.Length;

    public byte[] Png { get; }

    /// <summary>Runs of dark modules, row by row from the top.</summary>
    public IEnumerable<(int X, int Y, int Width)> Runs()
    {
        for (int y = 0; y < Size; y++)
        {
            for (int x = 0; x < Size; x++)
            {
                int begin = x;
                while (x < Size && rows[y][x])
                {
                    x++;
                }

                if (x > begin)
                {
                    yield return (begin, y, x - begin);
                }
            }
        }
    }
}
