/** The part of yauzl 3 in use; the package brings no types. */
declare module 'yauzl' {
  export interface Entry {
    readonly fileName: string;
    readonly fileNameRaw: Buffer;
    readonly fileNameLength: number;
    readonly extraFieldLength: number;
    readonly fileCommentLength: number;
    readonly compressedSize: number;
    readonly uncompressedSize: number;
    readonly compressionMethod: number;
    readonly crc32: number;
    readonly externalFileAttributes: number;
    readonly relativeOffsetOfLocalHeader: number;
    isEncrypted(): boolean;
  }
  export interface ZipFile {
    eachEntry(): AsyncIterable<Entry>;
  }
  export class RandomAccessReader {
    read(
      buffer: Buffer,
      offset: number,
      length: number,
      position: number,
      callback: (error: Error | null, bytesRead: number) => void,
    ): void;
  }
  export function fromRandomAccessReaderPromise(
    reader: RandomAccessReader,
    totalSize: number,
    options: { autoClose?: boolean; validateEntrySizes?: boolean },
  ): Promise<ZipFile>;
}
