using System.Numerics;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace DePIN.Firmware.Tests.Nano;

/// <summary>
/// Finds arithmetic that is right on .NET and wrong on a board, by following types through the IL as nanoFramework's interpreter does (nf-interpreter
/// 1.17, CLR_RT_HeapBlock.cpp, and tried on its POSIX host). A value on its stack keeps the type it was loaded with, a sum that of its left operand, so
/// (int)u is still unsigned. A store to a local, a field or an element, and a box, give it its declared type; an argument, a result, an out parameter
/// and ?: do not. Then shr shifts zeros in, rem divides unsigned, and conv.i8, conv.r4 and conv.r8 lose the sign. Additions, comparisons and div are
/// right either way, and so is everything whose highest bit cannot be set: bytes put together, masked or shifted values.
/// </summary>
internal sealed class SignednessReader
{
    private readonly MethodDefinition[] _methods;
    private readonly HashSet<string> _unsignedArguments = new(StringComparer.Ordinal);
    private readonly HashSet<string> _unsignedResults = new(StringComparer.Ordinal);
    private readonly List<string> _found = [];

    private SignednessReader(IEnumerable<TypeDefinition> types) => _methods = [.. types.SelectMany(type => type.Methods).Where(method => method.HasBody)];

    /// <summary>What would differ, as "method: instruction".</summary>
    public static List<string> Find(IEnumerable<TypeDefinition> types)
    {
        SignednessReader reader = new(types);
        int known;
        do
        {
            known = reader._unsignedArguments.Count + reader._unsignedResults.Count;
            reader._found.Clear();
            foreach (MethodDefinition method in reader._methods)
            {
                reader.Read(method);
            }
        }
        while (reader._unsignedArguments.Count + reader._unsignedResults.Count > known);

        return reader._found;
    }

    private void Read(MethodDefinition method)
    {
        Dictionary<Instruction, Value[]> states = [];
        foreach (ExceptionHandler handler in method.Body.ExceptionHandlers)
        {
            states[handler.HandlerStart] = handler.HandlerType is ExceptionHandlerType.Catch or ExceptionHandlerType.Filter ? [Value.Reference(handler.CatchType)] : [];
            if (handler.FilterStart is not null)
            {
                states[handler.FilterStart] = [Value.Reference(null)];
            }
        }

        Stack<Value> stack = new();
        bool falls = true;
        foreach (Instruction instruction in method.Body.Instructions)
        {
            if (states.TryGetValue(instruction, out Value[]? state))
            {
                Value[] now = falls && stack.Count == state.Length ? [.. stack.Reverse().Zip(state, Value.Merge)] : state;
                stack = new Stack<Value>(now);
            }
            else if (!falls)
            {
                stack.Clear();
            }

            Step(method, instruction, stack);
            foreach (Instruction target in instruction.Operand is Instruction one ? [one] : instruction.Operand as Instruction[] ?? [])
            {
                states[target] = states.TryGetValue(target, out Value[]? before) && before.Length == stack.Count
                    ? [.. stack.Reverse().Zip(before, Value.Merge)] : [.. stack.Reverse()];
            }

            falls = instruction.OpCode.FlowControl is not (FlowControl.Branch or FlowControl.Return or FlowControl.Throw);
            if (instruction.OpCode.Code is Code.Leave or Code.Leave_S)
            {
                stack.Clear();
            }
        }
    }

    private void Step(MethodDefinition method, Instruction instruction, Stack<Value> stack)
    {
        Code code = instruction.OpCode.Code;
        switch (code)
        {
            case Code.Ldarg_0 or Code.Ldarg_1 or Code.Ldarg_2 or Code.Ldarg_3:
                stack.Push(Argument(method, code - Code.Ldarg_0));
                return;
            case Code.Ldarg or Code.Ldarg_S:
                stack.Push(Argument(method, ((ParameterDefinition)instruction.Operand).Index + (method.HasThis ? 1 : 0)));
                return;
            case Code.Ldloc_0 or Code.Ldloc_1 or Code.Ldloc_2 or Code.Ldloc_3:
                stack.Push(Value.Of(method.Body.Variables[code - Code.Ldloc_0].VariableType));
                return;
            case Code.Ldloc or Code.Ldloc_S:
                stack.Push(Value.Of(((VariableDefinition)instruction.Operand).VariableType));
                return;
            case Code.Ldloca or Code.Ldloca_S:
                stack.Push(Value.Reference(new ByReferenceType(((VariableDefinition)instruction.Operand).VariableType)));
                return;
            case Code.Ldarga or Code.Ldarga_S:
                stack.Push(Value.Reference(new ByReferenceType(((ParameterDefinition)instruction.Operand).ParameterType)));
                return;
            case Code.Ldfld or Code.Ldsfld:
                Pop(stack, code == Code.Ldfld ? 1 : 0);
                stack.Push(Value.Of(((FieldReference)instruction.Operand).FieldType));
                return;
            case Code.Ldflda or Code.Ldsflda:
                Pop(stack, code == Code.Ldflda ? 1 : 0);
                stack.Push(Value.Reference(new ByReferenceType(((FieldReference)instruction.Operand).FieldType)));
                return;
            case Code.Ldc_I4_M1:
                stack.Push(Value.Signed(32));
                return;
            case >= Code.Ldc_I4_0 and <= Code.Ldc_I4_8:
                stack.Push(Value.Constant(code - Code.Ldc_I4_0));
                return;
            case Code.Ldc_I4_S:
                stack.Push(Value.Constant((sbyte)instruction.Operand));
                return;
            case Code.Ldc_I4:
                stack.Push(Value.Constant((int)instruction.Operand));
                return;
            case Code.Ldc_I8:
                stack.Push((long)instruction.Operand < 0 ? Value.Signed(64) : Value.Signed(64 - BitOperations.LeadingZeroCount((ulong)(long)instruction.Operand)));
                return;
            case Code.Dup:
                stack.Push(stack.Peek());
                return;
            case Code.Add or Code.Sub or Code.Mul or Code.And or Code.Or or Code.Xor or Code.Shl or Code.Shr or Code.Shr_Un or Code.Div or Code.Div_Un or Code.Rem or Code.Rem_Un:
                Value right = stack.Pop(), left = stack.Pop();
                Check(method, instruction, code is Code.Shr or Code.Rem && left.MayLookNegative);
                stack.Push(left with { Bits = Math.Min(left.Size, Bits(code, left, right)), Number = null });
                return;
            case Code.Neg or Code.Not:
                Value negated = stack.Pop();
                stack.Push(negated with { Bits = negated.Size, Number = null });
                return;
            case Code.Conv_I8 or Code.Conv_R4 or Code.Conv_R8:
                Value widened = stack.Pop();
                Check(method, instruction, widened.MayLookNegative && (code != Code.Conv_I8 || widened.Size == 32));
                stack.Push(code == Code.Conv_I8 ? Value.Signed(widened.Bits < widened.Size ? widened.Bits : 64) : Value.Signed(64));
                return;
            case Code.Conv_U1 or Code.Conv_U2:
                stack.Push(Value.Signed(Math.Min(stack.Pop().Bits, code == Code.Conv_U1 ? 8 : 16)));
                return;
            case Code.Conv_I1 or Code.Conv_I2 or Code.Conv_I4:
                Value narrowed = stack.Pop();
                stack.Push(Value.Signed(narrowed.Bits < (code == Code.Conv_I1 ? 8 : code == Code.Conv_I2 ? 16 : 32) ? narrowed.Bits : 32));
                return;
            case Code.Conv_U4:
                stack.Push(Value.Unsigned(32, Math.Min(stack.Pop().Bits, 32)));
                return;
            case Code.Conv_U8:
                stack.Push(Value.Unsigned(64, stack.Pop().Bits));
                return;
            case >= Code.Ldelem_I1 and <= Code.Ldelem_Ref:
                stack.Pop();
                TypeReference? array = stack.Pop().Type;
                stack.Push(array is ArrayType known ? Value.Of(known.ElementType) : Value.Signed(code == Code.Ldelem_I8 ? 64 : 32));
                return;
            case >= Code.Ldind_I1 and <= Code.Ldind_Ref:
                TypeReference? pointed = stack.Pop().Type;
                stack.Push(pointed is ByReferenceType reference ? Value.Of(reference.ElementType) : Value.Signed(64));
                return;
            case >= Code.Stind_Ref and <= Code.Stind_R8:
                Value stored = stack.Pop();
                Check(method, instruction, stored.MayLookNegative && stack.Pop().Type is ByReferenceType { ElementType.FullName: "System.Int32" or "System.Int64" });
                return;
            case Code.Call or Code.Callvirt or Code.Newobj:
                Call((MethodReference)instruction.Operand, code == Code.Newobj, stack);
                return;
            case Code.Ret:
                if (stack.Count > 0 && stack.Pop().MayLookNegative && method.ReturnType.FullName is "System.Int32" or "System.Int64")
                {
                    _unsignedResults.Add(Key(method));
                }

                return;
            case Code.Newarr:
                stack.Pop();
                stack.Push(Value.Reference(new ArrayType((TypeReference)instruction.Operand)));
                return;
            default:
                Pop(stack, Taken(instruction, stack));
                for (int i = instruction.OpCode.StackBehaviourPush is StackBehaviour.Push0 ? 0 : 1; i > 0; i--)
                {
                    stack.Push(Value.Reference(instruction.Operand as TypeReference));
                }

                return;
        }
    }

    private void Call(MethodReference called, bool isNew, Stack<Value> stack)
    {
        for (int i = called.Parameters.Count - 1; i >= 0; i--)
        {
            if (stack.Pop().MayLookNegative && called.Parameters[i].ParameterType.FullName is "System.Int32" or "System.Int64")
            {
                _unsignedArguments.Add($"{Key(called)} {i}");
            }
        }

        Pop(stack, called.HasThis && !isNew ? 1 : 0);
        if (isNew)
        {
            stack.Push(Value.Reference(called.DeclaringType));
        }
        else if (called.ReturnType.FullName != "System.Void")
        {
            stack.Push(Value.Of(called.ReturnType, _unsignedResults.Contains(Key(called))));
        }
    }

    private Value Argument(MethodDefinition method, int index)
    {
        if (method.HasThis && index == 0)
        {
            return Value.Reference(method.DeclaringType);
        }

        int parameter = index - (method.HasThis ? 1 : 0);
        return Value.Of(method.Parameters[parameter].ParameterType, _unsignedArguments.Contains($"{Key(method)} {parameter}"));
    }

    private void Check(MethodDefinition method, Instruction instruction, bool isWrong)
    {
        if (isWrong)
        {
            _found.Add($"{method.DeclaringType.Name}.{method.Name}: {instruction}");
        }
    }

    // What is called through an interface or a base class is known by its name and its number of parameters.
    private static string Key(MethodReference method) =>
        method.Resolve() is { IsVirtual: true } ? $"virtual {method.Name}/{method.Parameters.Count}" : method.FullName;

    private static int Bits(Code code, Value left, Value right) => code switch
    {
        Code.Add => Math.Max(left.Bits, right.Bits) + 1,
        Code.Mul => left.Bits + right.Bits,
        Code.And or Code.Rem_Un => Math.Min(left.Bits, right.Bits),
        Code.Or or Code.Xor => Math.Max(left.Bits, right.Bits),
        Code.Shl when right.Number is { } by => left.Bits + by,
        Code.Shr_Un when right.Number is { } by => Math.Max(0, left.Bits - by),
        Code.Shr when right.Number is { } by && left.Bits < left.Size => Math.Max(0, left.Bits - by),
        Code.Shr_Un or Code.Div_Un => left.Bits,
        Code.Div or Code.Rem or Code.Shr when left.Bits < left.Size && right.Bits < right.Size => left.Bits,
        _ => left.Size,
    };

    private static void Pop(Stack<Value> stack, int count)
    {
        for (int i = 0; i < count; i++)
        {
            stack.Pop();
        }
    }

    private static int Taken(Instruction instruction, Stack<Value> stack) => instruction.OpCode.StackBehaviourPop switch
    {
        StackBehaviour.Pop0 => 0,
        StackBehaviour.PopAll => stack.Count,
        StackBehaviour.Pop1 or StackBehaviour.Popi or StackBehaviour.Popref => 1,
        StackBehaviour.Pop1_pop1 or StackBehaviour.Popi_pop1 or StackBehaviour.Popi_popi or StackBehaviour.Popi_popi8 or StackBehaviour.Popi_popr4 or StackBehaviour.Popi_popr8
            or StackBehaviour.Popref_pop1 or StackBehaviour.Popref_popi => 2,
        _ => 3,
    };

    /// <summary>What is known of a value: the type the interpreter keeps of it, and how many bits it can have. All of them: it may be negative.</summary>
    private readonly record struct Value(bool IsUnsigned, int Size, int Bits, TypeReference? Type, int? Number)
    {
        public bool MayLookNegative => IsUnsigned && Bits >= Size;

        public static Value Signed(int bits) => new(false, bits > 32 ? 64 : 32, bits, null, null);

        public static Value Unsigned(int size, int bits) => new(true, size, bits, null, null);

        public static Value Constant(int number) => new(false, 32, number < 0 ? 32 : 32 - BitOperations.LeadingZeroCount((uint)number), null, number);

        public static Value Reference(TypeReference? type) => new(false, 64, 64, type, null);

        public static Value Of(TypeReference type, bool keptUnsigned = false) => (type.Resolve() is { IsEnum: true } known ? Underlying(known) : type.FullName) switch
        {
            "System.Boolean" => Signed(1),
            "System.Byte" => Signed(8),
            "System.UInt16" or "System.Char" => Signed(16),
            "System.SByte" or "System.Int16" => Signed(32),
            "System.Int32" => new Value(keptUnsigned, 32, 32, type, null),
            "System.Int64" => new Value(keptUnsigned, 64, 64, type, null),
            "System.UInt32" => new Value(true, 32, 32, type, null),
            "System.UInt64" => new Value(true, 64, 64, type, null),
            _ => Reference(type),
        };

        public static Value Merge(Value a, Value b) =>
            a.IsUnsigned == b.IsUnsigned ? a with { Bits = Math.Max(a.Bits, b.Bits), Number = null } : (a.MayLookNegative ? a : b) with { Number = null };

        private static string Underlying(TypeDefinition type) => type.Fields.Single(field => !field.IsStatic).FieldType.FullName;
    }
}
