// Counts the IL instructions that DePIN.Protocol executes: a copy of the assembly in which every basic block first adds its length to
// a counter. What runs on a board is IL interpreted one by one, so this number, which is the same on every machine, is the cost there.
// Calls into the platform (HMAC, Array.Copy), native on a board, count as one instruction.

using System.Runtime.Loader;
using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;

namespace DePIN.Protocol.Tests;

internal sealed class IlCounter
{
    private readonly System.Reflection.Assembly _assembly;
    private readonly System.Reflection.FieldInfo _count;

    public IlCounter()
    {
        using AssemblyDefinition original = AssemblyDefinition.ReadAssembly(typeof(Sha256).Assembly.Location);
        ModuleDefinition module = original.MainModule;
        TypeDefinition counter = new("DePIN.Protocol", "IlCount", TypeAttributes.Public | TypeAttributes.Abstract | TypeAttributes.Sealed, module.TypeSystem.Object);
        FieldDefinition count = new("Count", FieldAttributes.Public | FieldAttributes.Static, module.TypeSystem.Int64);
        counter.Fields.Add(count);
        foreach (MethodDefinition method in module.GetTypes().SelectMany(type => type.Methods).Where(method => method.HasBody).ToList())
        {
            Instrument(method.Body, count);
        }

        module.Types.Add(counter);
        using MemoryStream image = new();
        original.Write(image);
        image.Position = 0;
        _assembly = new AssemblyLoadContext("counted").LoadFromStream(image);
        _count = _assembly.GetType("DePIN.Protocol.IlCount", throwOnError: true)!.GetField("Count")!;
    }

    /// <summary>A type of the counted copy.</summary>
    public Type Type<T>() => _assembly.GetType(typeof(T).FullName!, throwOnError: true)!;

    /// <summary>IL instructions executed by the action, which works on types of the counted copy.</summary>
    public long Measure(Action action)
    {
        _count.SetValue(null, 0L);
        action();
        return (long)_count.GetValue(null)!;
    }

    private static void Instrument(MethodBody body, FieldDefinition count)
    {
        if (body.HasExceptionHandlers)
        {
            throw new NotSupportedException($"{body.Method.FullName} has exception handlers: teach the counter about their borders first");
        }

        // Long branches, because the bodies grow. The number of instructions stays.
        body.SimplifyMacros();
        HashSet<Instruction> leaders = [body.Instructions[0]];
        foreach (Instruction instruction in body.Instructions)
        {
            if (instruction.Operand is Instruction target)
            {
                leaders.Add(target);
            }

            if (instruction.Operand is Instruction[] targets)
            {
                leaders.UnionWith(targets);
            }

            if (instruction.OpCode.FlowControl is FlowControl.Branch or FlowControl.Cond_Branch && instruction.Next is not null)
            {
                leaders.Add(instruction.Next);
            }
        }

        Dictionary<Instruction, Instruction> entries = [];
        Dictionary<Instruction, long> lengths = [];
        ILProcessor il = body.GetILProcessor();
        foreach (Instruction leader in leaders)
        {
            long length = 0;
            for (Instruction? at = leader; at is not null && (at == leader || !leaders.Contains(at)); at = at.Next)
            {
                length++;
            }

            entries.Add(leader, Instruction.Create(OpCodes.Ldsfld, count));
            lengths.Add(leader, length);
        }

        foreach (Instruction instruction in body.Instructions)
        {
            if (instruction.Operand is Instruction target)
            {
                instruction.Operand = entries[target];
            }
            else if (instruction.Operand is Instruction[] targets)
            {
                instruction.Operand = targets.Select(one => entries[one]).ToArray();
            }
        }

        foreach (Instruction leader in leaders)
        {
            il.InsertBefore(leader, entries[leader]);
            il.InsertBefore(leader, Instruction.Create(OpCodes.Ldc_I8, lengths[leader]));
            il.InsertBefore(leader, Instruction.Create(OpCodes.Add));
            il.InsertBefore(leader, Instruction.Create(OpCodes.Stsfld, count));
        }
    }
}
