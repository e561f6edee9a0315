using System.Globalization;
using System.Text;

namespace DePIN.Boards.Generate;

/// <summary>tools/VirtualBoard/Nano/Generated/NAME.cs: which pins the simulated chip has and which of them it can drive.</summary>
public static class VirtualBoardSource
{
    public static string Of(Board board)
    {
        ArgumentNullException.ThrowIfNull(board);
        Chip chip = board.Chip;
        StringBuilder text = new();
        SourceText.Head(text, board);
        text.Append(CultureInfo.InvariantCulture, $$"""
            namespace DePIN.VirtualBoard.Hardware;

            /// <summary>The pins of the {{chip.Name}}, bit n for GPIO n.</summary>
            public static partial class ChipPins
            {
                public const string Name = "{{chip.Name}}";

                /// <summary>The highest GPIO number and one.</summary>
                public const int Count = {{chip.Gpios.Max() + 1}};

                /// <summary>COM1 to COMn; COM1 is the runtime's.</summary>
                public const int Uarts = {{chip.Uarts}};

                private const ulong Present = 0x{{Bits(chip.Gpios):X}};
                private const ulong InputOnly = 0x{{Bits(chip.InputOnly):X}};
            }

            """);
        return text.ToString().Replace("\r\n", "\n", StringComparison.Ordinal);
    }

    private static ulong Bits(IEnumerable<int> gpios) => gpios.Aggregate(0UL, (bits, gpio) => bits | (1UL << gpio));
}
