using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace DePIN.BoardCost;

/// <summary>
/// Adds up the managed heap of the firmware's own objects as nanoFramework 1.x lays it out (nf-interpreter, nanoCLR_Runtime__HeapBlock.h):
/// blocks of 12 bytes; an object is one block and one more for each field, an array 20 bytes and its elements (a reference takes a
/// block), a string 12 bytes, its UTF-8 text and a zero; each rounded up to blocks. Walks from the roots given and from all statics.
/// Not counted: objects of the runtime's libraries behind a driver's handle (I2C, serial port, MQTT client, TLS), thread stacks, the
/// code itself. Counted flat, three blocks each: events, threads, delegates and other objects of the runtime.
/// </summary>
public sealed class HeapWalk
{
    private const int Block = 12;
    private const int ArrayHeader = 20;
    private const int RuntimeObject = 3 * Block;
    private const BindingFlags Instance = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
    private const BindingFlags Static = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly Assembly[] Own = [typeof(Firmware.Program).Assembly, typeof(Protocol.Sha256).Assembly];
    private static readonly Assembly Shims = typeof(DePIN.VirtualBoard.Hardware.VirtualHardware).Assembly;

    private readonly HashSet<object> _seen = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, int> _shares = [];
    private readonly HashSet<Type> _types = [];
    private readonly Stack<(object Value, string Owner)> _waiting = new();

    /// <summary>All bytes so far.</summary>
    public int Bytes => _shares.Values.Sum();

    /// <summary>Bytes by who holds them: a class of the firmware, its own fields and the arrays and strings that it holds first.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> Shares => [.. _shares.OrderByDescending(share => share.Value).ThenBy(share => share.Key, StringComparer.Ordinal)];

    /// <summary>The firmware's classes that were met.</summary>
    public IReadOnlySet<Type> Types => _types;

    /// <summary>Walks what is reachable from an object.</summary>
    public void Add(object root, string owner)
    {
        Push(root, owner);
        Drain();
    }

    /// <summary>Adds bytes that no object here stands for.</summary>
    public void AddArray(int length, string owner) => Charge(owner, Round(ArrayHeader + length));

    /// <summary>Walks the statics of the firmware. The board runs every static constructor at boot, so they are run first.</summary>
    public void AddStatics()
    {
        foreach (Type type in Own.SelectMany(assembly => assembly.GetTypes()).Where(type => !type.ContainsGenericParameters))
        {
            RuntimeHelpers.RunClassConstructor(type.TypeHandle);
            foreach (FieldInfo field in type.GetFields(Static).Where(field => !field.IsLiteral && (field.Attributes & FieldAttributes.HasFieldRVA) == 0))
            {
                Charge("statics", Block);
                Push(field.GetValue(null), type.Name);
            }
        }

        Drain();
    }

    private void Drain()
    {
        while (_waiting.TryPop(out (object Value, string Owner) next))
        {
            if (_seen.Add(next.Value))
            {
                Visit(next.Value, next.Owner);
            }
        }
    }

    private void Visit(object value, string owner)
    {
        Type type = value.GetType();
        if (Own.Contains(type.Assembly))
        {
            _types.Add(type);
            Charge(type.Name, Block + VisitFields(value, type, type.Name));
        }
        else if (value is string text)
        {
            Charge(owner, Round(Block + Encoding.UTF8.GetByteCount(text) + 1));
        }
        else if (value is Array array)
        {
            VisitArray(array, owner);
        }
        else if (value is ArrayList or Hashtable or Queue or Stack)
        {
            Charge(owner, Block + VisitFields(value, type, owner));
        }
        else if (type.Assembly != Shims)
        {
            Charge(owner, type == typeof(object) ? Block : RuntimeObject);
            if (value is Delegate { Target: { } target } && Own.Contains(target.GetType().Assembly))
            {
                Push(target, owner);
            }
        }
    }

    // A block a field, of base classes too; what references lead to is pushed.
    private int VisitFields(object value, Type type, string owner)
    {
        int bytes = 0;
        for (Type? at = type; at is not null && at != typeof(object) && at != typeof(ValueType); at = at.BaseType)
        {
            foreach (FieldInfo field in at.GetFields(Instance))
            {
                bytes += Block;
                if (!field.FieldType.IsPrimitive && !field.FieldType.IsEnum && !field.FieldType.IsPointer)
                {
                    Push(field.GetValue(value), owner);
                }
            }
        }

        return bytes;
    }

    private void VisitArray(Array array, string owner)
    {
        Type element = array.GetType().GetElementType()!;
        Type plain = element.IsEnum ? element.GetEnumUnderlyingType() : element;
        if (plain.IsPrimitive)
        {
            Charge(owner, Round(ArrayHeader + Buffer.ByteLength(Array.CreateInstance(plain, array.Length))));
            return;
        }

        Charge(owner, Round(ArrayHeader + (array.Length * Block)));
        foreach (object? one in array)
        {
            Push(one, owner);
        }
    }

    private void Push(object? value, string owner)
    {
        if (value is not null)
        {
            _waiting.Push((value, owner));
        }
    }

    private void Charge(string owner, int bytes) => _shares[owner] = _shares.GetValueOrDefault(owner) + bytes;

    private static int Round(int bytes) => (bytes + Block - 1) / Block * Block;
}
