/** The part of tar-stream 3 in use; the package brings no types. */
declare module 'tar-stream' {
  import type { Readable, Writable } from 'node:stream';
  export interface Entry extends Readable {
    readonly header: {
      readonly name: string;
      readonly size: number;
      /** Of links: the path that they name. */
      readonly linkname: string | null;
      /** `null` for kinds that are not known. */
      readonly type: string | null;
      /** Where its data begin in the archive. */
      readonly byteOffset: number;
    };
  }
  export type Extract = Writable & AsyncIterable<Entry>;
  export function extract(): Extract;
}
