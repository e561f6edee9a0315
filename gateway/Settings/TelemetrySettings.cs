namespace DePIN.Gateway.Settings;

/// <summary>Section <c>telemetry</c>.</summary>
public sealed class TelemetrySettings
{
    [Setting("URL of an OpenTelemetry collector that traces and metrics are sent to, for example \"http://127.0.0.1:4318\"; empty = off, and nothing is traced. What is sent names devices and gateways, never keys.")]
    public string Endpoint { get; set; } = "";

    [Setting("How it is spoken to: http (OTLP as protobuf over HTTP, port 4318 as a rule) or grpc (port 4317).")]
    public string Protocol { get; set; } = "http";

    [Setting("The part of all frames that is traced from PUBLISH to anchor; every gateway picks the same ones. 0.01 of 100 frames/s is one trace a second.", Min = 0, Max = 1)]
    public double SampleRatio { get; set; } = 0.01;

    [Setting("How often metrics are sent.", Unit = "s", Min = 1, Max = 3_600)]
    public int IntervalS { get; set; } = 60;

    [Setting("File with headers for the collector, one \"name: value\" a line, such as its access token. Mode 0600; empty = none.")]
    public string HeadersFile { get; set; } = "";

    [Setting("service.name of everything that is sent.")]
    public string ServiceName { get; set; } = "depin-gateway";

    [Setting("service.instance.id of everything that is sent; empty = the gateway's address.")]
    public string Instance { get; set; } = "";
}
