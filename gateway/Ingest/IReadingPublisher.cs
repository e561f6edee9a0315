// How other stages reach subscribers: verified readings as SenML after the commit, and the gateway's clock.

namespace DePIN.Gateway.Ingest;

/// <summary>Publishes as the gateway. Never waits: a subscriber that does not keep up loses messages, counted.</summary>
public interface IReadingPublisher
{
    /// <summary>Whether anyone would receive readings of some device. False means nobody, so that frames need not even be looked at.</summary>
    bool HasAnyReader { get; }

    /// <summary>Whether anyone would receive this device's readings, so that nobody renders JSON for nobody.</summary>
    /// <param name="deviceIdText">40 lower-case hex digits.</param>
    bool HasReaders(string deviceIdText);

    /// <summary>Publishes on depin/1/&lt;id&gt;/senml with QoS 1.</summary>
    /// <param name="deviceIdText">40 lower-case hex digits.</param>
    /// <param name="senml">SenML JSON (RFC 8428), UTF-8; copied.</param>
    void PublishReadings(string deviceIdText, ReadOnlySpan<byte> senml);

    /// <summary>Publishes the gateway's clock on depin/1/time with QoS 0, unless the clock has not been set yet.</summary>
    void PublishTime();
}
