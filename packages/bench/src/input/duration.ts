/** `4 s`, `2 min 05 s`, `1 h 03 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** The same without parts that are 0, for limits: `30 min`, `2 h`. */
export function shortDuration(seconds: number): string {
  return duration(seconds).replace(/ 00 (s|min)$/, '');
}

const pattern = /^(?:([\d.]+)h)?(?:([\d.]+)m(?:in)?)?(?:([\d.]+)s)?$/;

/**
 * Milliseconds of a duration as users write it: `90s`, `10m`, `2h`, `1h30m`.
 * @returns undefined for other text, and for nothing at all
 */
export function parseDuration(text: string): number | undefined {
  const parts = pattern.exec(text.trim().toLowerCase().replaceAll(' ', ''));
  if (parts === null) return undefined;
  const [hours, minutes, seconds] = parts.slice(1).map((part) => Number(part ?? 0));
  const milliseconds = 1000 * (3600 * hours! + 60 * minutes! + seconds!);
  return Number.isFinite(milliseconds) && milliseconds > 0 ? milliseconds : undefined;
}
