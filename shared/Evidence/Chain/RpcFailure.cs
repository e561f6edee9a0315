namespace DePIN.Evidence;

/// <summary>
/// What can go wrong between us and an EVM node, by kind, because each needs something else of the caller: wait and try again
/// (<see cref="RpcUnreachableException"/>), change the endpoint (<see cref="RpcAnswerException"/>), change the request
/// (<see cref="RpcRejectedException"/>), or read the contract's reason (<see cref="ExecutionRevertedException"/>).
/// Messages name endpoints without path and query: providers put their API keys there.
/// </summary>
public abstract class RpcException : Exception
{
    private protected RpcException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}

/// <summary>No endpoint answered in all attempts.</summary>
public sealed class RpcUnreachableException : RpcException
{
    /// <param name="message">Which endpoints, and what to do.</param>
    /// <param name="cause">What happened below; null when an answer's status says it all.</param>
    public RpcUnreachableException(string message, Exception? cause)
        : base(message, cause)
    {
    }
}

/// <summary>An endpoint answered, but not with what the protocol says: not JSON, another id, a field missing or misshapen, too long.</summary>
public sealed class RpcAnswerException : RpcException
{
    /// <param name="field">Path of the field at fault in the answer, e.g. <c>result.baseFeePerGas</c>; empty for the answer as a whole.</param>
    /// <param name="message">What is wrong with it.</param>
    public RpcAnswerException(string field, string message)
        : base(message) => Field = field;

    internal RpcAnswerException(string field, string message, Exception? cause)
        : base(message, cause) => Field = field;

    /// <summary>Path of the field at fault in the answer; empty for the answer as a whole.</summary>
    public string Field { get; }

    /// <summary>True when the answer was refused for its size only: asking for less may help.</summary>
    public bool IsTooLong { get; internal init; }
}

/// <summary>The node understood and refused: a JSON-RPC error object.</summary>
public sealed class RpcRejectedException : RpcException
{
    internal RpcRejectedException(int code, string nodeMessage, string message)
        : base(message)
    {
        Code = code;
        NodeMessage = nodeMessage;
    }

    /// <summary>JSON-RPC error code.</summary>
    public int Code { get; }

    /// <summary>The node's own text, bounded, control characters removed.</summary>
    public string NodeMessage { get; }
}

/// <summary>A call or a gas estimate reverted in a contract.</summary>
public sealed class ExecutionRevertedException : RpcException
{
    internal ExecutionRevertedException(Revert revert, string message)
        : base(message) => Revert = revert;

    /// <summary>The contract's reason.</summary>
    public Revert Revert { get; }
}
