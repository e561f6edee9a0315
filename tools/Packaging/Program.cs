// Builds the Debian packages of the gateway and `depin`. See README.md.
using DePIN.Devnet;
using DePIN.Packaging;

try
{
    PackagingOptions options = PackagingOptions.Parse(args);
    if (options.Help)
    {
        Console.WriteLine(PackagingOptions.Usage);
        return 0;
    }

    using Publisher publisher = new(Repository.Root, options.NoBuild);
    DateTimeOffset date = options.Date ?? await publisher.CommitDateAsync();
    Directory.CreateDirectory(options.Out);
    foreach (Architecture architecture in options.Architectures)
    {
        Published published = options.Build == Build.Native ? await publisher.PublishNativeAsync(architecture)
            : await publisher.PublishAsync(options.Build == Build.SelfContained ? architecture : null);
        DebPackage package = PackageContent.Make(published, architecture, options.Version, date, options.Build, Repository.Root);
        string file = Path.Combine(options.Out, package.FileName);
        package.Write(file);
        Console.WriteLine($"{file}  {new FileInfo(file).Length / 1024} KiB");
    }

    return 0;
}
catch (PackagingException wrong)
{
    Console.Error.WriteLine(wrong.Message);
    return 1;
}
