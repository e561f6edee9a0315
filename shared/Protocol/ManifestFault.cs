// Why bytes are not an update manifest: the first rule broken, in the order UpdateManifest.Read reads. The signature itself is verified by P256Verifier.

namespace DePIN.Protocol
{
    public enum ManifestFault
    {
        /// <summary>Well formed.</summary>
        None = 0,

        /// <summary>The bytes end before the manifest does, or it has more than <see cref="UpdateManifest.BytesMax"/>.</summary>
        BadLength,

        /// <summary>Does not begin with "DU".</summary>
        BadMagic,

        /// <summary>Another version than 1.</summary>
        UnknownVersion,

        /// <summary>A flag bit is set: version 1 defines none.</summary>
        ReservedFlags,

        /// <summary>Board name or version text is empty, too long or has other characters than A-Z a-z 0-9 . _ + -.</summary>
        BadText,

        /// <summary>Release 0: releases count from 1, and 0 means "none".</summary>
        ReleaseZero,

        /// <summary>No file, or more than <see cref="UpdateManifest.FilesMax"/>.</summary>
        BadFileCount,

        /// <summary>A file name is empty, too long, has other characters than A-Z a-z 0-9 . _ - or does not begin and end with a letter or digit.</summary>
        BadFileName,

        /// <summary>Two files have one name; letters are compared without their case.</summary>
        DuplicateFileName,

        /// <summary>A file is empty, or all files together exceed <see cref="UpdateManifest.TotalBytesMax"/>.</summary>
        BadFileSize,

        /// <summary>Bytes follow the signature.</summary>
        TrailingBytes,

        /// <summary>r or s is not in [1, n-1] (FIPS 186-5, section 6.4.2).</summary>
        SignatureOutOfRange,

        /// <summary>s is above n/2: a second signature for the same bytes, which the protocol refuses.</summary>
        HighS,
    }
}
