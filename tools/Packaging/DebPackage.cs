using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace DePIN.Packaging;

/// <summary>
/// A .deb (deb(5)): an ar archive of "debian-binary", "control.tar.gz" and "data.tar.gz". The same content gives the same bytes: entries in order of
/// their paths, owner root, one date for all.
/// </summary>
public sealed class DebPackage(string name, string version, string architecture, DateTimeOffset date)
{
    private const UnixFileMode Folder = (UnixFileMode)0b111_101_101;
    private const UnixFileMode Plain = (UnixFileMode)0b110_100_100;
    private const UnixFileMode Program = (UnixFileMode)0b111_101_101;

    private readonly SortedDictionary<string, (byte[] Content, UnixFileMode Mode)> _files = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> _links = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> _scripts = new(StringComparer.Ordinal);
    private readonly List<string> _conffiles = [];
    private string _fields = "";

    public string FileName => $"{name}_{version}_{architecture}.deb";

    /// <summary>Adds a file; <paramref name="path"/> is absolute, without the first slash.</summary>
    public void Add(string path, byte[] content, bool program = false) => _files.Add(path, (content, program ? Program : Plain));

    public void Add(string path, string content, bool program = false) => Add(path, Encoding.UTF8.GetBytes(content), program);

    /// <summary>Adds a file as policy wants documents: compressed, without a date inside.</summary>
    public void AddCompressed(string path, string content) => Add(path + ".gz", Compress(Encoding.UTF8.GetBytes(content)));

    /// <summary>Adds a file that belongs to the administrator once it is installed.</summary>
    public void AddSettings(string path, string content)
    {
        Add(path, content);
        _conffiles.Add("/" + path);
    }

    public void AddLink(string path, string target) => _links.Add(path, target);

    /// <summary>A maintainer script.</summary>
    public void AddScript(string script, string content) => _scripts.Add(script, content);

    /// <summary>The control file's fields besides package, version, architecture and installed size; each ends in a newline.</summary>
    public void SetFields(string fields) => _fields = fields;

    public void Write(string path)
    {
        byte[] control = Compress(Control()), data = Compress(Data());
        using FileStream file = new(path, FileMode.Create);
        file.Write("!<arch>\n"u8);
        Member(file, "debian-binary", "2.0\n"u8.ToArray());
        Member(file, "control.tar.gz", control);
        Member(file, "data.tar.gz", data);
    }

    // ar(5): name 16, date 12, owner 6, group 6, mode 8 (octal), size 10, end 2; padded to even length.
    private void Member(FileStream file, string member, byte[] content)
    {
        string header = string.Create(CultureInfo.InvariantCulture, $"{member,-16}{date.ToUnixTimeSeconds(),-12}{0,-6}{0,-6}{"100644",-8}{content.Length,-10}`\n");
        file.Write(Encoding.ASCII.GetBytes(header));
        file.Write(content);
        if (content.Length % 2 == 1) file.WriteByte((byte)'\n');
    }

    private byte[] Control()
    {
        long kib = _files.Values.Sum(f => (f.Content.Length + 1023L) / 1024) + _links.Count + Folders().Count;
        StringBuilder sums = new();
        foreach ((string path, (byte[] content, _)) in _files)
            sums.Append(CultureInfo.InvariantCulture, $"{Convert.ToHexStringLower(MD5.HashData(content))}  {path}\n");
        using MemoryStream stream = new();
        using (TarWriter tar = new(stream, TarEntryFormat.Ustar, leaveOpen: true))
        {
            Write(tar, TarEntryType.Directory, "./", Folder);
            if (_conffiles.Count > 0) Write(tar, TarEntryType.RegularFile, "./conffiles", Plain, Encoding.UTF8.GetBytes(string.Concat(_conffiles.Select(c => c + "\n"))));
            Write(tar, TarEntryType.RegularFile, "./control", Plain,
                Encoding.UTF8.GetBytes($"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nInstalled-Size: {kib}\n{_fields}"));
            Write(tar, TarEntryType.RegularFile, "./md5sums", Plain, Encoding.UTF8.GetBytes(sums.ToString()));
            foreach ((string script, string content) in _scripts) Write(tar, TarEntryType.RegularFile, "./" + script, Program, Encoding.UTF8.GetBytes(content));
        }

        return stream.ToArray();
    }

    private byte[] Data()
    {
        using MemoryStream stream = new();
        using (TarWriter tar = new(stream, TarEntryFormat.Ustar, leaveOpen: true))
        {
            Write(tar, TarEntryType.Directory, "./", Folder);
            SortedSet<string> paths = new([.. Folders().Select(f => f + "/"), .. _files.Keys, .. _links.Keys], StringComparer.Ordinal);
            foreach (string path in paths)
            {
                if (path.EndsWith('/')) Write(tar, TarEntryType.Directory, "./" + path, Folder);
                else if (_links.TryGetValue(path, out string? target)) Write(tar, TarEntryType.SymbolicLink, "./" + path, (UnixFileMode)0b111_111_111, target: target);
                else Write(tar, TarEntryType.RegularFile, "./" + path, _files[path].Mode, _files[path].Content);
            }
        }

        return stream.ToArray();
    }

    private SortedSet<string> Folders()
    {
        SortedSet<string> folders = new(StringComparer.Ordinal);
        foreach (string path in _files.Keys.Concat(_links.Keys))
            for (int slash = path.LastIndexOf('/'); slash > 0 && folders.Add(path[..slash]); slash = path.LastIndexOf('/', slash - 1)) ;
        return folders;
    }

    private void Write(TarWriter tar, TarEntryType type, string path, UnixFileMode mode, byte[]? content = null, string? target = null)
    {
        UstarTarEntry entry = new(type, path) { Mode = mode, ModificationTime = date, Uid = 0, Gid = 0, UserName = "root", GroupName = "root" };
        if (content is not null) entry.DataStream = new MemoryStream(content);
        if (target is not null) entry.LinkName = target;
        tar.WriteEntry(entry);
    }

    private static byte[] Compress(byte[] content)
    {
        using MemoryStream stream = new();
        using (GZipStream gzip = new(stream, CompressionLevel.SmallestSize, leaveOpen: true)) gzip.Write(content);
        return stream.ToArray();
    }
}
