namespace DePIN.Gateway.Settings;

/// <summary>
/// A setting, or the place it points to, is wrong, and a person has to change something. The message says where,
/// what was found, and what to do; the entry file prints it and exits with <see cref="ExitCodes.Settings"/>.
/// </summary>
public sealed class SettingsException(string message) : Exception(message);
