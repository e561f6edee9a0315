namespace DePIN.Gateway.Sign;

/// <summary>
/// The token or the TPM is not there or does not work now. Another start may find it, so the process ends with a code on which it is started
/// again; nobody's PIN was tried. The message says what to do.
/// </summary>
public sealed class KeyAwayException(string message, Exception? cause = null) : Exception(message, cause);
