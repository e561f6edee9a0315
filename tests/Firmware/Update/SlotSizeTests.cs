using DePIN.Firmware.Board;
using DePIN.Firmware.Update;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace DePIN.Firmware.Tests.Update;

/// <summary>
/// How large the firmware is as a slot, computed from its IL as nanoFramework's file format lays it out (nf-interpreter, nanoCLR_Types.h:
/// record sizes; nanoCLR_Runtime.h: the tables that the runtime makes of them in memory). An estimate: attributes and padding are left out.
/// </summary>
[TestFixture]
public sealed class SlotSizeTests
{
    // Bytes on flash, bytes in memory, of one record.
    private static readonly (int Flash, int Memory) AssemblyRef = (12, 4);
    private static readonly (int Flash, int Memory) TypeRef = (8, 4);
    private static readonly (int Flash, int Memory) MemberRef = (8, 4);
    private static readonly (int Flash, int Memory) TypeDef = (24, 8);
    private static readonly (int Flash, int Memory) FieldDef = (8, 2);
    private static readonly (int Flash, int Memory) MethodDef = (16, 2);
    private const int HeaderBytes = 128;
    private const int StaticFieldBytes = 12;

    [Test]
    public void What_a_slot_takes_is_what_the_README_says()
    {
        (int flash, int memory) = Size();
        TestContext.Out.WriteLine($"firmware as a slot: {flash:N0} bytes on flash, {memory:N0} of tables in memory, {flash + memory:N0} in all");
        const int Smallest = 262_144;
        int slots = 2 * Blocks(flash);
        int others = OfferJudge.DriveReserveBytes + (4 * OfferJudge.BlockBytes) + (10 * OfferJudge.BlockBytes);
        TestContext.Out.WriteLine($"two slots {slots:N0}, ring of 24,000 and all else {Blocks(24_000) + others:N0}; of {Smallest:N0}");
        Assert.Multiple(() =>
        {
            Assert.That(flash, Is.InRange(100_000, 165_000));
            Assert.That(memory, Is.LessThan(flash / 4), "OfferJudge counts a quarter");
            Assert.That(slots + Blocks(24_000) + others, Is.GreaterThan(Smallest), "256 KB do not hold two slots and the smallest ring");
            Assert.That(slots + Blocks(98_304) + others, Is.LessThan(1 << 20), "2 MB do");
            Assert.That(BoardPins.DriveBytes, Is.EqualTo(Smallest));
        });
    }

    private static int Blocks(int bytes) => (bytes + OfferJudge.BlockBytes - 1) / OfferJudge.BlockBytes * OfferJudge.BlockBytes;

    private static (int Flash, int Memory) Size()
    {
        int flash = HeaderBytes;
        int memory = 0;
        HashSet<string> strings = new(StringComparer.Ordinal);
        HashSet<string> references = new(StringComparer.Ordinal);
        HashSet<string> signatures = new(StringComparer.Ordinal);
        foreach (string file in new[] { "DePIN.Firmware.dll", "DePIN.Protocol.dll" })
        {
            using AssemblyDefinition assembly = AssemblyDefinition.ReadAssembly(Path.Combine(AppContext.BaseDirectory, file));
            foreach (TypeDefinition type in assembly.MainModule.GetTypes())
            {
                Add(TypeDef);
                strings.Add(type.Name);
                strings.Add(type.Namespace);
                foreach (FieldDefinition field in type.Fields.Where(field => !field.HasConstant))
                {
                    Add(FieldDef);
                    memory += field.IsStatic ? StaticFieldBytes : 0;
                    flash += field.InitialValue?.Length ?? 0;
                    strings.Add(field.Name);
                    signatures.Add(field.FieldType.FullName);
                }

                foreach (MethodDefinition method in type.Methods)
                {
                    Add(MethodDef);
                    strings.Add(method.Name);
                    signatures.Add(string.Join(',', method.Parameters.Select(parameter => parameter.ParameterType.FullName)));
                    if (!method.HasBody)
                    {
                        continue;
                    }

                    signatures.Add(string.Join(',', method.Body.Variables.Select(variable => variable.VariableType.FullName)));
                    flash += 12 * method.Body.ExceptionHandlers.Count;
                    foreach (Instruction instruction in method.Body.Instructions)
                    {
                        flash += instruction.GetSize();
                        switch (instruction.Operand)
                        {
                            case string text:
                                strings.Add(text);
                                flash -= 2;
                                break;
                            case MemberReference member:
                                flash -= 2; // tokens have 16 bits
                                if (member.DeclaringType is { } declaring && !declaring.Scope.Name.StartsWith("DePIN.Firmware", StringComparison.Ordinal)
                                    && !declaring.Scope.Name.StartsWith("DePIN.Protocol", StringComparison.Ordinal) && references.Add(member.FullName))
                                {
                                    Add(MemberRef);
                                    strings.Add(member.Name);
                                    if (references.Add(declaring.FullName))
                                    {
                                        Add(TypeRef);
                                        strings.Add(declaring.Name);
                                        strings.Add(declaring.Namespace);
                                    }

                                    if (references.Add(declaring.Scope.Name))
                                    {
                                        Add(AssemblyRef);
                                    }
                                }

                                break;
                            default:
                                break;
                        }
                    }
                }
            }
        }

        flash += strings.Where(text => text is not null).Sum(text => text.Length + 1) + signatures.Sum(signature => 1 + (3 * (1 + signature.Count(c => c == ','))));
        return (flash, memory);

        void Add((int Flash, int Memory) record)
        {
            flash += record.Flash;
            memory += record.Memory;
        }
    }
}
