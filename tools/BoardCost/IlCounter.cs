// Counts the IL instructions that the board's code executes: copies of DePIN.Protocol and DePIN.Firmware in which every basic block
// first adds its length to a counter. What runs on a board is IL interpreted one by one, so this number, which is the same on every
// machine, is the cost there. Calls into the platform (files, Array.Copy) count as one instruction; those of HMAC are also counted apart.

using System.Reflection;
using System.Runtime.Loader;
using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;
using FieldAttributes = Mono.Cecil.FieldAttributes;
using MethodBody = Mono.Cecil.Cil.MethodBody;
using TypeAttributes = Mono.Cecil.TypeAttributes;

namespace DePIN.BoardCost;

/// <summary>Counted copies of the board's assemblies. One thread at a time measures.</summary>
public sealed class IlCounter
{
    private const string CounterType = "DePIN.Protocol.IlCount";
    private const string Hmac = "System.Security.Cryptography.HMACSHA256";

    private readonly CountedContext _context = new();
    private readonly FieldInfo _count;
    private readonly FieldInfo _hmacs;

    /// <summary>Rewrites and loads the copies.</summary>
    public IlCounter()
    {
        using AssemblyDefinition protocol = Read(typeof(Protocol.Sha256).Assembly);
        using AssemblyDefinition firmware = Read(typeof(Firmware.Program).Assembly);
        ModuleDefinition module = protocol.MainModule;
        TypeDefinition counter = new("DePIN.Protocol", "IlCount", TypeAttributes.Public | TypeAttributes.Abstract | TypeAttributes.Sealed, module.TypeSystem.Object);
        FieldDefinition count = new("Count", FieldAttributes.Public | FieldAttributes.Static, module.TypeSystem.Int64);
        FieldDefinition hmacs = new("Hmacs", FieldAttributes.Public | FieldAttributes.Static, module.TypeSystem.Int64);
        counter.Fields.Add(count);
        counter.Fields.Add(hmacs);
        module.Types.Add(counter);
        Instrument(module, count, hmacs);
        Instrument(firmware.MainModule, firmware.MainModule.ImportReference(count), firmware.MainModule.ImportReference(hmacs));
        Assembly counted = _context.Take(protocol);
        _context.Take(firmware);
        _count = counted.GetType(CounterType, throwOnError: true)!.GetField("Count")!;
        _hmacs = counted.GetType(CounterType, throwOnError: true)!.GetField("Hmacs")!;
    }

    /// <summary>The type's twin in a counted copy. A type of this assembly has one too: its own code is not counted, and it works on the counted copies.</summary>
    public Type Twin(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        return _context.LoadFromAssemblyName(type.Assembly.GetName()).GetType(type.FullName!, throwOnError: true)!;
    }

    /// <summary>The same by name.</summary>
    public Type Type<T>() => Twin(typeof(T));

    /// <summary>IL instructions executed by the action, which works on types of the counted copies.</summary>
    public long Measure(Action action) => Measure(action, out _);

    /// <summary>The same, and how many HMACs the platform computed meanwhile: native code on a board.</summary>
    public long Measure(Action action, out long hmacs)
    {
        ArgumentNullException.ThrowIfNull(action);
        _count.SetValue(null, 0L);
        _hmacs.SetValue(null, 0L);
        action();
        hmacs = (long)_hmacs.GetValue(null)!;
        return (long)_count.GetValue(null)!;
    }

    private static AssemblyDefinition Read(Assembly assembly) => AssemblyDefinition.ReadAssembly(assembly.Location, new ReaderParameters { InMemory = true });

    private static void Instrument(ModuleDefinition module, FieldReference count, FieldReference hmacs)
    {
        foreach (MethodDefinition method in module.GetTypes().SelectMany(type => type.Methods).Where(method => method.HasBody).ToList())
        {
            Instrument(method.Body, count, hmacs);
        }
    }

    private static void Instrument(MethodBody body, FieldReference count, FieldReference hmacs)
    {
        // Long branches, because the bodies grow. The number of instructions stays.
        body.SimplifyMacros();
        HashSet<Instruction> leaders = Leaders(body);
        Dictionary<Instruction, Instruction> entries = [];
        Dictionary<Instruction, long> lengths = [];
        List<Instruction> hmacCalls = [.. body.Instructions.Where(one => one.Operand is MethodReference called && called.DeclaringType.FullName == Hmac)];
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

        Retarget(body, entries);
        ILProcessor il = body.GetILProcessor();
        foreach (Instruction leader in leaders)
        {
            il.InsertBefore(leader, entries[leader]);
            il.InsertBefore(leader, Instruction.Create(OpCodes.Ldc_I8, lengths[leader]));
            il.InsertBefore(leader, Instruction.Create(OpCodes.Add));
            il.InsertBefore(leader, Instruction.Create(OpCodes.Stsfld, count));
        }

        foreach (Instruction call in hmacCalls)
        {
            il.InsertAfter(call, Instruction.Create(OpCodes.Stsfld, hmacs));
            il.InsertAfter(call, Instruction.Create(OpCodes.Add));
            il.InsertAfter(call, Instruction.Create(OpCodes.Ldc_I8, 1L));
            il.InsertAfter(call, Instruction.Create(OpCodes.Ldsfld, hmacs));
        }
    }

    private static HashSet<Instruction> Leaders(MethodBody body)
    {
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

        foreach (ExceptionHandler handler in body.ExceptionHandlers)
        {
            // The borders of a region move to the counter in front of them: an end is the first instruction behind its region.
            leaders.UnionWith(new[] { handler.TryStart, handler.TryEnd, handler.HandlerStart, handler.HandlerEnd, handler.FilterStart }.OfType<Instruction>());
        }

        return leaders;
    }

    private static void Retarget(MethodBody body, Dictionary<Instruction, Instruction> entries)
    {
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

        foreach (ExceptionHandler handler in body.ExceptionHandlers)
        {
            handler.TryStart = entries[handler.TryStart];
            handler.TryEnd = entries[handler.TryEnd];
            handler.HandlerStart = entries[handler.HandlerStart];
            handler.HandlerEnd = handler.HandlerEnd is null ? null : entries[handler.HandlerEnd];
            handler.FilterStart = handler.FilterStart is null ? null : entries[handler.FilterStart];
        }
    }

    /// <summary>Where the copies live beside the originals, with a twin of this assembly that is bound to them.</summary>
    private sealed class CountedContext() : AssemblyLoadContext("counted")
    {
        private readonly Dictionary<string, Assembly> _counted = [];

        public Assembly Take(AssemblyDefinition rewritten)
        {
            using MemoryStream image = new();
            rewritten.Write(image);
            image.Position = 0;
            return _counted[rewritten.Name.Name] = LoadFromStream(image);
        }

        protected override Assembly? Load(AssemblyName assemblyName)
        {
            if (_counted.TryGetValue(assemblyName.Name!, out Assembly? counted))
            {
                return counted;
            }

            Assembly own = typeof(IlCounter).Assembly;
            return assemblyName.Name == own.GetName().Name ? LoadFromAssemblyPath(own.Location) : null;
        }
    }
}
