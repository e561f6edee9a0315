using System.Net.Security;
using DePIN.Gateway.Dispute;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Reward;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Web.Page;

/// <summary>The page with its door and its certificate, as the entry file needs it.</summary>
public sealed class WebPage : IDisposable
{
    private WebPage(PageDoor door, PageSite site, Func<SslStreamCertificateContext> certificate) => (Door, Site, Certificate) = (door, site, certificate);

    internal PageDoor Door { get; }

    internal PageSite Site { get; }

    internal Func<SslStreamCertificateContext> Certificate { get; }

    /// <summary>Makes the parts. Throws <see cref="Settings.SettingsException"/> when the operator's token cannot be used.</summary>
    public static WebPage Open(
        GatewaySettings settings, GatewayTls tls, ReadApi api, NetworkApi network, GatewayFacts facts, DeviceTable devices, IFrameStore frames, DisputeLog disputes, CaseLog cases, RewardLog payouts, Func<RewardState> rewards,
        TimeProvider time, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(settings);
        PageDoor door = new(settings.Web, () => settings.WebUsers, settings.Data.Folder, time);
        return new WebPage(door, new PageSite(api, network, facts, settings, devices, frames, disputes, cases, payouts, rewards, door, time, log), () => tls.Presented);
    }

    /// <inheritdoc/>
    public void Dispose() => Door.Dispose();
}
