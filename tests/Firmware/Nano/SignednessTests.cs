using System.Diagnostics.CodeAnalysis;
using Mono.Cecil;

namespace DePIN.Firmware.Tests.Nano;

/// <summary>No arithmetic of the firmware depends on a sign that the board's interpreter has lost: <see cref="SignednessReader"/>.</summary>
[TestFixture]
public sealed class SignednessTests
{
    [Test]
    public void No_sign_is_lost_on_the_board()
    {
        string[] files = ["DePIN.Firmware.dll", "DePIN.Protocol.dll", "DePIN.Loader.dll"];
        AssemblyDefinition[] assemblies = [.. files.Select(file => AssemblyDefinition.ReadAssembly(Path.Combine(AppContext.BaseDirectory, file)))];
        try
        {
            Assert.That(SignednessReader.Find(assemblies.SelectMany(assembly => assembly.MainModule.GetTypes())), Is.Empty);
        }
        finally
        {
            Array.ForEach(assemblies, assembly => assembly.Dispose());
        }
    }

    [Test]
    public void What_the_interpreter_gets_wrong_is_found_and_what_it_gets_right_is_not()
    {
        using AssemblyDefinition tests = AssemblyDefinition.ReadAssembly(typeof(SignednessTests).Assembly.Location);
        TypeDefinition[] types = [.. tests.MainModule.GetTypes().Where(type => type.FullName.StartsWith(typeof(Tried).FullName!.Replace('+', '/'), StringComparison.Ordinal))];
        string[] found = [.. SignednessReader.Find(types).Select(line => line[(line.IndexOf('.', StringComparison.Ordinal) + 1)..line.IndexOf(':', StringComparison.Ordinal)]).Distinct()];

        Assert.That(found, Is.EquivalentTo(types.SelectMany(type => type.Methods).Select(method => method.Name).Where(name => name.StartsWith("Wrong", StringComparison.Ordinal))));
    }

    /// <summary>Each was run on the interpreter's POSIX host: the wrong ones differ there from .NET, the right ones do not.</summary>
    [SuppressMessage("Performance", "CA1822", Justification = "Only read.")]
    [SuppressMessage("CodeQuality", "IDE0051", Justification = "Only read.")]
    private static class Tried
    {
        private static uint _u = 0xFFFFFFF0;
        private static ulong _l = 0xFFFFFFFFFFFFFFF0;
        private static int _i = -16;
        private static readonly byte[] Bytes = [1, 2, 3, 255];
        private static readonly ulong[] Words = [1];

        public static int WrongShift() => (int)_u >> 4;

        public static long WrongLongShift() => (long)_l >> 4;

        public static long WrongElement() => (long)Words[0] >> 4;

        public static int WrongRemainder() => (int)_u % 3;

        public static long WrongBorrow(uint a, uint b) => ((long)a - (long)b) >> 32;

        public static long WrongExtension() => (long)(int)_u;

        public static double WrongReal() => (double)(int)_u;

        public static int WrongLeftOfSum() => ((int)_u + _i) >> 4;

        public static int WrongChoice(bool first) => (first ? (int)_u : _i) >> 4;

        public static int WrongOfResult() => Result() >> 4;

        public static int WrongOfArgument(int value) => value >> 4;

        public static void WrongOut(out int value) => value = (int)_u;

        public static int Result() => (int)_u;

        public static int PassesIt() => WrongOfArgument((int)_u);

        public static int RightDivision() => (int)_u / 3;

        public static bool RightComparison() => (int)_u < 0;

        public static int RightOfField()
        {
            _i = (int)_u;
            return _i >> 4;
        }

        public static int RightRightOfSum() => (_i + (int)_u) >> 4;

        public static int RightShort() => (short)_u >> 2;

        public static int RightBytes() => ((Bytes[0] << 24) | (Bytes[1] << 16) | Bytes[3]) >> 4;

        public static int RightMasked() => (int)(_u & 0xFFFF) >> 4;

        public static long RightHighHalf() => (long)(_l >> 32) >> 4;

        public static uint RightUnsigned() => _u >> 4;
    }
}
