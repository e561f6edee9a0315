using System.Text.Json;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Provision;
using DePIN.Gateway.Web;

namespace DePIN.Gateway.Operate;

/// <summary>
/// <c>running.json</c> in the data folder: where this process listens, for tools on the same machine (ports may be 0 in the
/// settings). Written once everything listens, removed at the end; a file left by a crash names a process that is gone.
/// {"pid":1,"gateway":"0x…","web":"http://127.0.0.1:8080","mqtt":"127.0.0.1:1883","mqtts":"0.0.0.0:8883","provision":"https://0.0.0.0:8443"}; the last three may be null.
/// </summary>
public sealed class RunningFile(string folder, string gateway, WebServer web, MqttIngest ingest, ProvisionStage? provision = null)
{
    /// <summary>The file's name.</summary>
    public const string FileName = "running.json";

    private readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes once everything listens and the file says where.</summary>
    public Task WrittenAsync(CancellationToken stopping) => _written.Task.WaitAsync(stopping);

    /// <summary>Keeps the file until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        string path = Path.Combine(folder, FileName);
        File.Delete(path);
        try
        {
            System.Net.IPEndPoint http = await web.Listening.WaitAsync(stopping).ConfigureAwait(false);
            IngestEndPoints mqtt = await ingest.Listening.WaitAsync(stopping).ConfigureAwait(false);
            System.Net.IPEndPoint? page = provision is null ? null : await provision.Listening.WaitAsync(stopping).ConfigureAwait(false);
            using MemoryStream text = new();
            using (Utf8JsonWriter json = new(text))
            {
                json.WriteStartObject();
                json.WriteNumber("pid", Environment.ProcessId);
                json.WriteString("gateway", gateway);
                json.WriteString("web", $"{web.Scheme}://{http}");
                json.WriteString("mqtt", mqtt.Plain?.ToString());
                json.WriteString("mqtts", mqtt.Tls?.ToString());
                json.WriteString("provision", page is null ? null : $"https://{page}");
                json.WriteEndObject();
            }

            SecretFile.WritePublic(path, text.ToArray());
            _written.TrySetResult();
            await Stages.IdleAsync(stopping).ConfigureAwait(false);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
