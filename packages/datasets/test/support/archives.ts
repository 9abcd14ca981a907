import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

export type Files = ReadonlyMap<string, Uint8Array>;

/** A zip archive of these files; every second one deflated. */
export function zipOf(files: Files): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  [...files].forEach(([path, content], i) => {
    const name = Buffer.from(path);
    const deflated = i % 2 === 1;
    const data = deflated ? deflateRawSync(content) : Buffer.from(content);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(deflated ? 8 : 0, 4);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(content.length, 18);
    fields.writeUInt16LE(name.length, 22);
    // Local headers may carry extra fields that the directory lacks.
    const extra = Buffer.from([0x99, 0x99, 2, 0, 1, 2]);
    const local = Buffer.from(fields);
    local.writeUInt16LE(extra.length, 24);
    parts.push(Buffer.from('PK\x03\x04', 'latin1'), local, name, extra, data);
    const central = Buffer.alloc(14);
    central.writeUInt32LE(offset, 10);
    const head = Buffer.from('PK\x01\x02\x14\x00', 'latin1');
    directory.push(head, fields, central, name);
    offset += 30 + name.length + extra.length + data.length;
  });
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.size, 8);
  end.writeUInt16LE(files.size, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

/** A `.tar.gz` archive of these files. */
export function tarGzOf(files: Files): Buffer {
  return gzipSync(tarOf(files));
}

/** A `.tar` archive of these files (POSIX ustar). */
export function tarOf(files: Files): Buffer {
  const blocks: Buffer[] = [];
  for (const [path, content] of files) {
    const header = Buffer.alloc(512);
    header.write(path, 0);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.fill(' ', 148, 156);
    header.write('0', 156);
    header.write('ustar\x0000', 257, 'latin1');
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    blocks.push(header, Buffer.from(content), Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
