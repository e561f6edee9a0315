using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Text;
using Mono.Cecil;
using Mono.Cecil.Cil;
using AssemblyDefinition = Mono.Cecil.AssemblyDefinition;
using MemberReference = Mono.Cecil.MemberReference;
using MethodDefinition = Mono.Cecil.MethodDefinition;
using TypeDefinition = Mono.Cecil.TypeDefinition;
using TypeReference = Mono.Cecil.TypeReference;

namespace DePIN.BoardCost;

/// <summary>
/// How large the firmware's own code is as a board keeps it: the .pe of DePIN.Firmware and that of DePIN.Protocol, computed from their IL by
/// the file's layout (nf-interpreter, nanoCLR_Types.h of 1.x): tokens and branches of 16 bits in the code, rows as wide as its records, one table
/// of strings for both, no attributes, constants, properties, events or parameter names. The runtime's own assemblies are not in it.
/// </summary>
/// <param name="Code">Instructions, and 12 bytes an exception handler.</param>
/// <param name="Data">What static arrays are filled from.</param>
/// <param name="Rows">Types, methods, fields and references.</param>
/// <param name="Strings">Names and string literals, UTF-8, each once.</param>
/// <param name="Signatures">As .NET writes them.</param>
/// <param name="Parts">Code and data by namespace, the largest first.</param>
public sealed record FirmwareSize(int Code, int Data, int Rows, int Strings, int Signatures, IReadOnlyList<KeyValuePair<string, int>> Parts)
{
    /// <summary>What it should take of a board's deploy area. Missed so far: the README names what is largest.</summary>
    public const int BytesTarget = 96 * 1024;

    /// <summary>What it may take until then; lower it when something was made smaller.</summary>
    public const int BytesMax = 176 * 1024;

    private const int HandlerBytes = 12;
    private const int TypeRow = 24;
    private const int MethodRow = 16;
    private const int FieldRow = 8;
    private const int ReferenceRow = 8;

    /// <summary>All of it.</summary>
    public int Bytes => Code + Data + Rows + Strings + Signatures;

    /// <summary>Of the assemblies that run here.</summary>
    public static FirmwareSize Measure()
    {
        HashSet<string> strings = [];
        Dictionary<string, int> parts = [];
        int code = 0, data = 0, rows = 0, signatures = 0;
        string[] own = [typeof(Firmware.Program).Assembly.Location, typeof(Protocol.Sha256).Assembly.Location];
        foreach (string path in own)
        {
            using MemoryStream image = Strip(path);
            using AssemblyDefinition assembly = AssemblyDefinition.ReadAssembly(image);
            foreach (TypeDefinition type in assembly.MainModule.GetTypes())
            {
                strings.UnionWith([type.Name, type.Namespace, .. type.Fields.Select(field => field.Name), .. type.Methods.Select(method => method.Name)]);
                rows += TypeRow + (type.Fields.Count * FieldRow) + (type.Methods.Count * MethodRow);
                int typeCode = type.Methods.Where(method => method.HasBody).Sum(method => CodeOf(method.Body, strings));
                int typeData = type.Fields.Sum(field => field.InitialValue?.Length ?? 0);
                code += typeCode;
                data += typeData;
                string part = OuterOf(type).Namespace is { Length: > 0 } name ? name : assembly.Name.Name;
                parts[part] = parts.GetValueOrDefault(part) + typeCode + typeData;
            }

            // The firmware's references to the protocol are few beside the rest: left out.
            string[] names = [.. own.Select(Path.GetFileNameWithoutExtension)!];
            TypeReference[] types = [.. assembly.MainModule.GetTypeReferences().Where(type => !names.Contains(type.Scope.Name))];
            MemberReference[] members = [.. assembly.MainModule.GetMemberReferences().Where(member => !names.Contains(member.DeclaringType.Scope.Name))];
            strings.UnionWith([.. types.Select(type => type.Name), .. types.Select(type => type.Namespace), .. members.Select(member => member.Name)]);
            rows += (types.Length + members.Length) * ReferenceRow;
            image.Position = 0;
            using PEReader pe = new(image);
            signatures += pe.GetMetadataReader().GetHeapSize(HeapIndex.Blob);
        }

        return new FirmwareSize(code, data, rows, strings.Sum(text => Encoding.UTF8.GetByteCount(text) + 1), signatures,
            [.. parts.OrderByDescending(part => part.Value).ThenBy(part => part.Key, StringComparer.Ordinal)]);
    }

    private static int CodeOf(MethodBody body, HashSet<string> strings)
    {
        strings.UnionWith(body.Instructions.Select(instruction => instruction.Operand).OfType<string>());
        return body.Instructions.Sum(SizeOf) + (body.ExceptionHandlers.Count == 0 ? 0 : 1 + (body.ExceptionHandlers.Count * HandlerBytes));
    }

    private static int SizeOf(Instruction instruction) => instruction.OpCode.OperandType switch
    {
        OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineString or OperandType.InlineBrTarget => instruction.OpCode.Size + 2,
        OperandType.InlineSwitch => instruction.OpCode.Size + 1 + (2 * ((Instruction[])instruction.Operand).Length),
        _ => instruction.GetSize(),
    };

    private static TypeDefinition OuterOf(TypeDefinition type) => type.DeclaringType is null ? type : OuterOf(type.DeclaringType);

    // nanoFramework's metadata processor leaves these out: attributes, constants (they are in the code that uses them), properties and
    // events (their methods stay), parameters' names.
    private static MemoryStream Strip(string path)
    {
        using AssemblyDefinition assembly = AssemblyDefinition.ReadAssembly(path, new ReaderParameters { InMemory = true });
        assembly.CustomAttributes.Clear();
        assembly.MainModule.CustomAttributes.Clear();
        foreach (TypeDefinition type in assembly.MainModule.GetTypes())
        {
            type.CustomAttributes.Clear();
            type.Properties.Clear();
            type.Events.Clear();
            foreach (Mono.Cecil.FieldDefinition field in type.Fields.ToList())
            {
                field.CustomAttributes.Clear();
                if (field.HasConstant)
                {
                    type.Fields.Remove(field);
                }
            }

            foreach (MethodDefinition method in type.Methods)
            {
                method.CustomAttributes.Clear();
                method.MethodReturnType.CustomAttributes.Clear();
                foreach (ParameterDefinition parameter in method.Parameters)
                {
                    parameter.Name = "";
                    parameter.CustomAttributes.Clear();
                    parameter.HasConstant = false;
                    parameter.Attributes = Mono.Cecil.ParameterAttributes.None;
                }
            }
        }

        MemoryStream image = new();
        assembly.Write(image);
        image.Position = 0;
        return image;
    }
}
