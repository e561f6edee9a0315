using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DePIN.Gateway.Tests.Store;

/// <summary>
/// SQLite's way to the disk (its VFS, sqlite.org/vfs.html) with a record of every write, truncation and sync in their order. The calls go through to the
/// real files, so the store behaves as ever; the record is what a disk that loses its cache is put together from. One at a time in a process.
/// </summary>
internal sealed unsafe class RecordingDisk : IDisposable
{
    private const int Sector = 512;

    private static readonly Lock Gate = new();
    private static readonly List<Event> Record = [];
    private static readonly ConcurrentDictionary<nint, (nint Methods, string Path)> Open = new();
    private static readonly ConcurrentDictionary<nint, nint> Ours = new(); // of each of SQLite's tables of methods, ours
    private static Vfs* real;
    private static Vfs* ours;

    private enum Kind { Create, Write, Truncate, Sync, Delete }

    public static RecordingDisk Begin()
    {
        SQLitePCL.Batteries_V2.Init();
        real = Find(null);
        ours = (Vfs*)NativeMemory.Alloc((nuint)sizeof(Vfs));
        *ours = *real;
        ours->Name = (byte*)Marshal.StringToCoTaskMemUTF8("recording");
        ours->Open = (nint)(delegate* unmanaged[Cdecl]<Vfs*, byte*, nint, int, int*, int>)&OpenFile;
        ours->Delete = (nint)(delegate* unmanaged[Cdecl]<Vfs*, byte*, int, int>)&DeleteFile;
        lock (Gate) Record.Clear();
        if (Register(ours, 1) != 0) throw new InvalidOperationException("The recording VFS was refused.");
        return new RecordingDisk();
    }

    /// <summary>What happened so far.</summary>
    public int Events
    {
        get
        {
            lock (Gate) return Record.Count;
        }
    }

    /// <summary>Puts the files of a folder together as a disk may have them when the power goes after that many events.</summary>
    public void WriteImage(string folder, string image, int events, Random random)
    {
        Event[] record;
        lock (Gate) record = [.. Record.Take(events).Where(one => one.Path.StartsWith(folder, StringComparison.Ordinal))];
        Dictionary<string, (MemoryStream Bytes, int Synced)> files = [];
        Dictionary<string, int> synced = [];
        for (int i = 0; i < record.Length; i++)
            if (record[i].Kind == Kind.Sync) synced[record[i].Path] = i;
        for (int i = 0; i < record.Length; i++)
        {
            Event one = record[i];
            if (one.Kind == Kind.Delete)
            {
                files.Remove(one.Path);
                continue;
            }
            if (!files.TryGetValue(one.Path, out var file)) files[one.Path] = file = (new MemoryStream(), 0);
            bool isSure = i <= synced.GetValueOrDefault(one.Path, -1);
            if (one.Kind == Kind.Truncate && (isSure || random.Next(2) == 0))
            {
                file.Bytes.SetLength(Math.Min(file.Bytes.Length, one.At));
            }
            else if (one.Kind == Kind.Write)
            {
                // Not synced: nothing of it, all of it, or some of its sectors.
                int luck = isSure ? 1 : random.Next(3);
                for (int at = 0; luck > 0 && at < one.Bytes.Length; at += Sector)
                {
                    if (luck == 2 && random.Next(2) == 0) continue;
                    file.Bytes.Position = one.At + at;
                    file.Bytes.Write(one.Bytes, at, Math.Min(Sector, one.Bytes.Length - at));
                }
            }
        }
        foreach ((string path, (MemoryStream bytes, _)) in files)
        {
            string made = Path.Combine(image, Path.GetRelativePath(folder, path));
            Directory.CreateDirectory(Path.GetDirectoryName(made)!);
            File.WriteAllBytes(made, bytes.ToArray());
        }
    }

    public void Dispose()
    {
        Register(real, 1);
        Unregister(ours); // its memory and its tables stay: a connection may still be closing
    }

    private static void Note(Kind kind, string path, long at, byte[] bytes)
    {
        lock (Gate) Record.Add(new Event(kind, path, at, bytes));
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OpenFile(Vfs* vfs, byte* name, nint file, int flags, int* given)
    {
        int code = ((delegate* unmanaged[Cdecl]<Vfs*, byte*, nint, int, int*, int>)real->Open)(real, name, file, flags, given);
        Methods* methods = *(Methods**)file;
        if (code != 0 || name == null || methods == null) return code;
        string path = Marshal.PtrToStringUTF8((nint)name)!;
        Open[file] = ((nint)methods, path);
        Note(Kind.Create, path, 0, []);
        *(nint*)file = Ours.GetOrAdd((nint)methods, static original =>
        {
            Methods* made = (Methods*)NativeMemory.Alloc((nuint)sizeof(Methods));
            *made = *(Methods*)original;
            made->Close = (nint)(delegate* unmanaged[Cdecl]<nint, int>)&Close;
            made->Write = (nint)(delegate* unmanaged[Cdecl]<nint, byte*, int, long, int>)&Write;
            made->Truncate = (nint)(delegate* unmanaged[Cdecl]<nint, long, int>)&Truncate;
            made->Sync = (nint)(delegate* unmanaged[Cdecl]<nint, int, int>)&Sync;
            if (made->Version >= 3) made->Version = 2; // without xFetch: memory-mapped reads are off anyway
            return (nint)made;
        });
        return code;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int DeleteFile(Vfs* vfs, byte* name, int syncFolder)
    {
        int code = ((delegate* unmanaged[Cdecl]<Vfs*, byte*, int, int>)real->Delete)(real, name, syncFolder);
        if (code == 0) Note(Kind.Delete, Marshal.PtrToStringUTF8((nint)name)!, 0, []);
        return code;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Close(nint file)
    {
        Open.TryRemove(file, out var of);
        *(nint*)file = of.Methods;
        return ((delegate* unmanaged[Cdecl]<nint, int>)((Methods*)of.Methods)->Close)(file);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Write(nint file, byte* bytes, int count, long at)
    {
        (nint methods, string path) = Open[file];
        Note(Kind.Write, path, at, new ReadOnlySpan<byte>(bytes, count).ToArray());
        return ((delegate* unmanaged[Cdecl]<nint, byte*, int, long, int>)((Methods*)methods)->Write)(file, bytes, count, at);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Truncate(nint file, long length)
    {
        (nint methods, string path) = Open[file];
        Note(Kind.Truncate, path, length, []);
        return ((delegate* unmanaged[Cdecl]<nint, long, int>)((Methods*)methods)->Truncate)(file, length);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Sync(nint file, int flags)
    {
        (nint methods, string path) = Open[file];
        int code = ((delegate* unmanaged[Cdecl]<nint, int, int>)((Methods*)methods)->Sync)(file, flags);
        if (code == 0) Note(Kind.Sync, path, 0, []);
        return code;
    }

    [DllImport("e_sqlite3", EntryPoint = "sqlite3_vfs_find", CallingConvention = CallingConvention.Cdecl)]
    private static extern Vfs* Find(byte* name);

    [DllImport("e_sqlite3", EntryPoint = "sqlite3_vfs_register", CallingConvention = CallingConvention.Cdecl)]
    private static extern int Register(Vfs* vfs, int isDefault);

    [DllImport("e_sqlite3", EntryPoint = "sqlite3_vfs_unregister", CallingConvention = CallingConvention.Cdecl)]
    private static extern int Unregister(Vfs* vfs);

    private sealed record Event(Kind Kind, string Path, long At, byte[] Bytes);

    // sqlite3.h: struct sqlite3_vfs, version 3.
    [StructLayout(LayoutKind.Sequential)]
    private struct Vfs
    {
        public int Version;
        public int FileBytes;
        public int PathMax;
        public Vfs* Next;
        public byte* Name;
        public nint AppData;
        public nint Open;
        public nint Delete;
        public nint Access;
        public nint FullPathname;
        public nint DlOpen;
        public nint DlError;
        public nint DlSym;
        public nint DlClose;
        public nint Randomness;
        public nint Sleep;
        public nint CurrentTime;
        public nint GetLastError;
        public nint CurrentTimeInt64;
        public nint SetSystemCall;
        public nint GetSystemCall;
        public nint NextSystemCall;
    }

    // sqlite3.h: struct sqlite3_io_methods, version 3.
    [StructLayout(LayoutKind.Sequential)]
    private struct Methods
    {
        public int Version;
        public nint Close;
        public nint Read;
        public nint Write;
        public nint Truncate;
        public nint Sync;
        public nint FileSize;
        public nint Lock;
        public nint Unlock;
        public nint CheckReservedLock;
        public nint FileControl;
        public nint SectorSize;
        public nint DeviceCharacteristics;
        public nint ShmMap;
        public nint ShmLock;
        public nint ShmBarrier;
        public nint ShmUnmap;
        public nint Fetch;
        public nint Unfetch;
    }
}
