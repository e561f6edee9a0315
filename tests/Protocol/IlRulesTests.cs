// The board's interpreter keeps the unsigned type of a stack value, so signed arithmetic on converted values differs there from .NET.
// .NET tests cannot see that; these read the compiled IL of shared/Protocol instead. What is refused:
//   shr, div, rem            the arithmetic shift and signed division: there is no need for one in a codec, a hash or a signer;
//   conv.i8 on an unsigned   after anything but a constant, a length or a signed local it would extend a sign that is not there;
//   generics and multi-dimensional arrays, which nanoFramework 1.x does not run;
//   more than 255 locals, and more code or static data than leave room for the firmware in the 64 KB its file format holds of each.
// Which members exist on a board is the firmware's test.

using Mono.Cecil;
using Mono.Cecil.Cil;

namespace DePIN.Protocol.Tests;

public sealed class IlRulesTests
{
    private const int CodeBytesMax = 48 * 1024;
    private const int StaticDataBytesMax = 24 * 1024;

    private static readonly TypeDefinition[] Types =
    [
        .. AssemblyDefinition.ReadAssembly(typeof(Sha256).Assembly.Location, new ReaderParameters { InMemory = true }).MainModule.GetTypes(),
    ];

    private static IEnumerable<MethodDefinition> Methods => Types.SelectMany(type => type.Methods).Where(method => method.HasBody);

    [Test]
    public void There_is_no_signed_shift_division_or_remainder()
    {
        Code[] refused = [Code.Shr, Code.Div, Code.Rem];
        Assert.That(Find(instruction => refused.Contains(instruction.OpCode.Code)), Is.Empty);
    }

    [Test]
    public void Nothing_is_sign_extended_but_constants_and_signed_values()
    {
        // C# writes conv.i8 behind an int that becomes a long or a ulong: a constant below 2^31, an all-ones constant, or an int.
        Assert.That(
            Find(instruction => instruction.OpCode.Code is Code.Conv_I8 or Code.Conv_I && !IsSigned(instruction.Previous)),
            Is.Empty);
    }

    [Test]
    public void There_are_no_generics_and_no_multi_dimensional_arrays()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Types.Where(type => type.HasGenericParameters).Select(type => type.FullName), Is.Empty);
            Assert.That(Methods.Where(method => method.HasGenericParameters).Select(method => method.FullName), Is.Empty);
            Assert.That(Find(instruction => instruction.Operand is GenericInstanceMethod or GenericInstanceType), Is.Empty);
            Assert.That(Find(instruction => instruction.Operand is MemberReference { DeclaringType: GenericInstanceType or ArrayType }), Is.Empty);
            Assert.That(Types.SelectMany(type => type.Fields).Where(field => field.FieldType is GenericInstanceType or ArrayType { Rank: > 1 }).Select(field => field.FullName), Is.Empty);
        });
    }

    [Test]
    public void Code_and_static_data_fit_the_boards_file_format()
    {
        int code = Methods.Sum(method => method.Body.CodeSize);
        int data = Types.SelectMany(type => type.Fields).Sum(field => field.InitialValue?.Length ?? 0);
        TestContext.Out.WriteLine($"{code:N0} bytes of IL, {data:N0} bytes of static data");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.LessThan(CodeBytesMax));
            Assert.That(data, Is.LessThan(StaticDataBytesMax));
            Assert.That(Methods.Where(method => method.Body.Variables.Count > 255).Select(method => method.FullName), Is.Empty);
        });
    }

    private static List<string> Find(Predicate<Instruction> refused) =>
        [.. Methods.SelectMany(method => method.Body.Instructions.Where(instruction => refused(instruction))
            .Select(instruction => $"{method.FullName}: {instruction}"))];

    // Whether the instruction surely leaves a signed 32-bit value whose extension is meant: a constant, a length, an int argument.
    private static bool IsSigned(Instruction? instruction) => instruction?.OpCode.Code switch
    {
        Code.Ldc_I4_M1 or Code.Ldc_I4_0 or Code.Ldc_I4_1 or Code.Ldc_I4_2 or Code.Ldc_I4_3 or Code.Ldc_I4_4 or Code.Ldc_I4_5 or Code.Ldc_I4_6 or Code.Ldc_I4_7 or Code.Ldc_I4_8 => true,
        Code.Ldc_I4_S => (sbyte)instruction.Operand >= 0,
        Code.Ldc_I4 => (int)instruction.Operand >= 0,
        Code.Ldlen or Code.Conv_I4 => true,
        Code.Ldarg_0 or Code.Ldarg_1 or Code.Ldarg_2 or Code.Ldarg_3 or Code.Ldarg_S => true,
        _ => false,
    };
}
