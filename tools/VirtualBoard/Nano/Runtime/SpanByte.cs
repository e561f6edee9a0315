// nanoFramework's byte span: no generics there, so it has its own type in namespace System. Here it is a view of Span<byte>.

using System.Diagnostics.CodeAnalysis;

namespace System;

/// <summary>nanoFramework 1.x SpanByte, signature for signature.</summary>
[SuppressMessage("Usage", "CA2225", Justification = "The names are nanoFramework's.")]
public readonly ref struct SpanByte
{
    private readonly Span<byte> _span;

    public SpanByte(byte[] array) => _span = array;

    public SpanByte(byte[] array, int start, int length) => _span = new Span<byte>(array, start, length);

    private SpanByte(Span<byte> span) => _span = span;

    public static SpanByte Empty => default;

    public int Length => _span.Length;

    public bool IsEmpty => _span.IsEmpty;

    public byte this[int index]
    {
        get => _span[index];
        set => _span[index] = value;
    }

    public static implicit operator SpanByte(byte[] array) => new(array);

    public void CopyTo(SpanByte destination) => _span.CopyTo(destination._span);

    public SpanByte Slice(int start) => new(_span[start..]);

    public SpanByte Slice(int start, int length) => new(_span.Slice(start, length));

    public byte[] ToArray() => _span.ToArray();
}
