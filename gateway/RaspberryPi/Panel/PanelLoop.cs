using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.RaspberryPi.Panel;

/// <summary>
/// Drives a panel beside a gateway, over the interfaces that everyone has: /health for light and display, MQTT for the Pi's own readings.
/// One frame is under way at a time; while it is not acknowledged no new reading is signed.
/// </summary>
/// <param name="panel">The hardware.</param>
/// <param name="device">The Pi as a device.</param>
/// <param name="http">With the gateway's address; short timeouts.</param>
/// <param name="mqtt">The gateway's listener.</param>
/// <param name="interval">Between readings.</param>
/// <param name="longPress">What a press of five seconds does.</param>
/// <param name="time">The clock.</param>
public sealed class PanelLoop(IPanel panel, OwnDevice device, HttpClient http, MqttClientOptions mqtt, TimeSpan interval, Action longPress, TimeProvider time)
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan HealthInterval = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(10);

    private volatile GatewayView _view = GatewayView.None;
    private Air? _air;

    /// <summary>Runs until <paramref name="stopping"/>.</summary>
    public Task RunAsync(CancellationToken stopping) => Task.WhenAll(ShowAsync(stopping), AskAsync(stopping), SenseAsync(stopping));

    private async Task ShowAsync(CancellationToken stopping)
    {
        Button button = new();
        int page = 0;
        while (!stopping.IsCancellationRequested)
        {
            long ms = (long)time.GetElapsedTime(0).TotalMilliseconds;
            Press press = button.Next(panel.IsPressed, ms);
            if (press == Press.Short) page++;
            if (press == Press.Long) longPress();
            GatewayView view = _view;
            panel.Light(StatusLight.IsOn(view.Standing, ms));
            panel.Show(StatusPages.Page(page, view, _air, device.Id[..16]));
            await PauseAsync(Tick, stopping).ConfigureAwait(false);
        }
    }

    private async Task AskAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                using HttpResponseMessage answer = await http.GetAsync("health", stopping).ConfigureAwait(false); // 503 with the same body when it is not healthy
                _view = GatewayView.Parse(await answer.Content.ReadAsByteArrayAsync(stopping).ConfigureAwait(false));
            }
            catch (Exception fault) when (fault is HttpRequestException or TaskCanceledException)
            {
                _view = GatewayView.None;
            }

            await PauseAsync(HealthInterval, stopping).ConfigureAwait(false);
        }
    }

    private async Task SenseAsync(CancellationToken stopping)
    {
        string topic = Topics.Frame(device.Id);
        while (!stopping.IsCancellationRequested)
        {
            _air = panel.Read();
            if (device.Pending.IsEmpty && _air is { } air) device.Add(air);
            if (!device.Pending.IsEmpty) await SendAsync(topic, stopping).ConfigureAwait(false);
            await PauseAsync(interval, stopping).ConfigureAwait(false);
        }
    }

    private async Task SendAsync(string topic, CancellationToken stopping)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        patience.CancelAfter(AnswerMax);
        try
        {
            await using MqttClient client = new(mqtt);
            if (!(await client.ConnectAsync(patience.Token).ConfigureAwait(false)).IsConnected) return;
            if ((await client.PublishAsync(topic, device.Pending, cancellation: patience.Token).ConfigureAwait(false)).IsSuccess) device.Acknowledged();
        }
        catch (Exception fault) when (fault is IOException or System.Net.Sockets.SocketException or OperationCanceledException or TimeoutException)
        {
            // The frame stays and is sent again with the next turn; the light tells that the gateway is silent.
        }
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken stopping) =>
        await Task.Delay(pause, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
