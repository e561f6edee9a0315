using System.Xml.Linq;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace DePIN.Firmware.Tests.Nano;

/// <summary>
/// Each assembly fits the file that a board runs: its tables are addressed with 16 bits (nf-interpreter, nanoCLR_Types.h: CLR_OFFSET, CLR_STRING,
/// CLR_SIG), so code, strings and signatures have at most 65,535 bytes each, and the metadata processor refuses what has more ("Byte code table
/// overflow"). .NET knows no such limit: nothing else here would notice.
/// </summary>
[TestFixture]
public sealed class BoardFileTests
{
    /// <summary>Of the 65,535 that there are: what is reached leaves room for the release after the next one.</summary>
    private const int TableBytesMax = 62_000;

    private const int HandlerBytes = 12;

    [TestCase("DePIN.Firmware.dll")]
    [TestCase("DePIN.Protocol.dll")]
    [TestCase("DePIN.Loader.dll")]
    public void Code_strings_and_static_data_fit_the_boards_file(string file)
    {
        using AssemblyDefinition assembly = Read(file);
        int code = CodeBytes(assembly), strings = StringBytes(assembly), data = DataBytes(assembly);
        TestContext.Out.WriteLine($"{file}: code {code:N0}, strings {strings:N0}, static data {data:N0} bytes");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.InRange(1, TableBytesMax));
            Assert.That(strings, Is.InRange(1, TableBytesMax));
            Assert.That(data, Is.LessThan(TableBytesMax / 2), "signatures share its table");
        });
    }

    [Test]
    public void Firmware_and_protocol_in_one_file_would_be_refused()
    {
        using AssemblyDefinition firmware = Read("DePIN.Firmware.dll"), protocol = Read("DePIN.Protocol.dll");
        Assert.That(CodeBytes(firmware) + CodeBytes(protocol), Is.GreaterThan(ushort.MaxValue), "if they fit again, one project less would do");
    }

    [Test]
    public void The_firmwares_packages_are_those_of_the_protocol_too()
    {
        string[] protocol = Packages("firmware", "Protocol", "packages.config");
        Assert.That(protocol, Is.Not.Empty);
        Assert.That(protocol, Is.SubsetOf(Packages("firmware", "packages.config")), "two versions of one library do not go together");

        // What its IL names beyond mscorlib, by the namespace that the package has.
        using AssemblyDefinition assembly = Read("DePIN.Protocol.dll");
        IEnumerable<string> namespaces = assembly.MainModule.GetTypeReferences().Select(type => type.Namespace).Distinct()
            .Where(name => name is not ("System" or "System.Diagnostics" or "System.Reflection" or "System.Resources" or "System.Runtime.CompilerServices" or "System.Runtime.Versioning" or ""));
        Assert.That(namespaces, Is.EquivalentTo(new[] { "System.Security.Cryptography" }));
    }

    private static string[] Packages(params string[] path) =>
        [.. XDocument.Load(Repository.PathOf(path)).Root!.Elements("package").Select(package => $"{package.Attribute("id")!.Value} {package.Attribute("version")!.Value}")];

    private static AssemblyDefinition Read(string file) => AssemblyDefinition.ReadAssembly(Path.Combine(AppContext.BaseDirectory, file));

    private static IEnumerable<MethodBody> Bodies(AssemblyDefinition assembly) =>
        assembly.MainModule.GetTypes().SelectMany(type => type.Methods).Where(method => method.HasBody).Select(method => method.Body);

    // Tokens and long branches have 16 bits on a board.
    private static int CodeBytes(AssemblyDefinition assembly) => Bodies(assembly).Sum(body => body.Instructions.Sum(SizeOf)
        + (body.ExceptionHandlers.Count == 0 ? 0 : 1 + (HandlerBytes * body.ExceptionHandlers.Count)));

    private static int SizeOf(Instruction instruction) => instruction.OpCode.OperandType switch
    {
        OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok or OperandType.InlineString
            or OperandType.InlineBrTarget => instruction.OpCode.Size + 2,
        OperandType.InlineSwitch => instruction.OpCode.Size + 1 + (2 * ((Instruction[])instruction.Operand).Length),
        _ => instruction.GetSize(),
    };

    private static int StringBytes(AssemblyDefinition assembly)
    {
        HashSet<string> strings = new(StringComparer.Ordinal);
        foreach (TypeDefinition type in assembly.MainModule.GetTypes())
        {
            strings.UnionWith([type.Name, type.Namespace, .. type.Fields.Where(field => !field.HasConstant).Select(field => field.Name), .. type.Methods.Select(method => method.Name)]);
        }

        strings.UnionWith(assembly.MainModule.GetTypeReferences().SelectMany(type => new[] { type.Name, type.Namespace }));
        strings.UnionWith(assembly.MainModule.GetMemberReferences().Select(member => member.Name));
        strings.UnionWith(Bodies(assembly).SelectMany(body => body.Instructions).Select(instruction => instruction.Operand).OfType<string>());
        return strings.Sum(text => System.Text.Encoding.UTF8.GetByteCount(text) + 1);
    }

    private static int DataBytes(AssemblyDefinition assembly) => assembly.MainModule.GetTypes().SelectMany(type => type.Fields).Sum(field => field.InitialValue?.Length ?? 0);
}
