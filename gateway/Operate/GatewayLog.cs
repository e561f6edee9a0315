using DePIN.Gateway.Settings;
using Microsoft.Extensions.Logging.Console;

namespace DePIN.Gateway.Operate;

/// <summary>Logging to standard error (a service manager's journal takes it from there), one line an entry, UTC times.</summary>
public static class GatewayLog
{
    /// <summary>Creates the factory all parts share.</summary>
    public static ILoggerFactory Create(LogSettings settings, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return new LimitedLogs(LoggerFactory.Create(logging =>
        {
            logging.SetMinimumLevel(LogLevel.Trace);
            logging.AddFilter((category, level) => level >= (category?.StartsWith("Microsoft", StringComparison.Ordinal) == true ? LogLevel.Warning : Least(settings.Level))); // asked at each entry: SIGHUP changes it
            logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
            if (settings.Json) logging.AddJsonConsole(json => (json.UseUtcTimestamp, json.TimestampFormat) = (true, "O"));
            else logging.AddSimpleConsole(text => (text.SingleLine, text.UseUtcTimestamp, text.TimestampFormat, text.ColorBehavior) =
                (true, true, "yyyy-MM-ddTHH:mm:ss.fffZ ", LoggerColorBehavior.Disabled));
        }), time);
    }

    private static LogLevel Least(string level) => level switch { "debug" => LogLevel.Debug, "warning" => LogLevel.Warning, "error" => LogLevel.Error, _ => LogLevel.Information };
}
