using System.Net;
using System.Text.RegularExpressions;
using DePIN.Cli.Up;

namespace DePIN.EndToEnd.Tests.Index;

/// <summary>What it does to the answers of the gateway behind it.</summary>
public enum Alteration
{
    /// <summary>Changes a byte of a frame in each body.</summary>
    Body,

    /// <summary>Says another number of samples in a batch's header.</summary>
    Header,

    /// <summary>Says another hash of a batch's body, and says the right one's name nowhere.</summary>
    FramesHash,

    /// <summary>Leaves a batch out.</summary>
    Omission,

    /// <summary>Sends ten bytes more than a body has.</summary>
    Length,

    /// <summary>Has no bodies.</summary>
    NoBodies,
}

/// <summary>A gateway that lies: a real one's API through a proxy that alters what goes through.</summary>
public sealed partial class AlteringProxy : IAsyncDisposable
{
    private readonly HttpListener listener = new();
    private readonly HttpClient http = new();
    private readonly Uri gateway;
    private readonly Task serving;

    public AlteringProxy(Uri gateway, Alteration alteration)
    {
        this.gateway = gateway;
        Alteration = alteration;
        Url = $"http://127.0.0.1:{Programs.FreePort()}";
        listener.Prefixes.Add(Url + "/");
        listener.Start();
        serving = ServeAsync();
    }

    public string Url { get; }

    public Alteration? Alteration { get; set; }

    public async ValueTask DisposeAsync()
    {
        listener.Close();
        await serving;
        http.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            await AnswerAsync(context);
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        using HttpResponseMessage answer = await http.GetAsync(new Uri(gateway, context.Request.RawUrl!));
        byte[] body = await answer.Content.ReadAsByteArrayAsync();
        int status = (int)answer.StatusCode;
        if (answer.IsSuccessStatusCode)
        {
            (status, body) = context.Request.RawUrl!.StartsWith("/api/bodies/", StringComparison.Ordinal) ? AlterBody(body) : (status, AlterBatches(body));
        }

        try
        {
            context.Response.StatusCode = status;
            context.Response.ContentType = answer.Content.Headers.ContentType?.ToString();
            context.Response.ContentLength64 = body.Length;
            await context.Response.OutputStream.WriteAsync(body);
            context.Response.Close();
        }
        catch (Exception gone) when (gone is HttpListenerException or ObjectDisposedException or IOException)
        {
            // Whoever asked has seen enough.
        }
    }

    private (int Status, byte[] Body) AlterBody(byte[] body)
    {
        if (Alteration == Index.Alteration.NoBodies)
        {
            return (404, []);
        }

        if (Alteration == Index.Alteration.Length)
        {
            return (200, [.. body, .. new byte[10]]);
        }

        if (Alteration == Index.Alteration.Body)
        {
            body[2 + 80 + 15] ^= 1; // the value of the first frame's first sample
        }

        return (200, body);
    }

    private byte[] AlterBatches(byte[] json)
    {
        string text = System.Text.Encoding.UTF8.GetString(json);
        text = Alteration switch
        {
            Index.Alteration.Header => Samples().Replace(text, "\"samples\":1,"),
            Index.Alteration.FramesHash => FramesHash().Replace(text, $"\"framesHash\":\"0x{new string('a', 64)}\""),
            Index.Alteration.Omission => Batches().Replace(text, "\"batches\":[],\"next\":null}"),
            _ => text,
        };
        return System.Text.Encoding.UTF8.GetBytes(text);
    }

    [GeneratedRegex("\"samples\":[0-9]+,")]
    private static partial Regex Samples();

    [GeneratedRegex("\"framesHash\":\"0x[0-9a-f]{64}\"")]
    private static partial Regex FramesHash();

    [GeneratedRegex("\"batches\":\\[.*$")]
    private static partial Regex Batches();
}
