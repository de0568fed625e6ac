// Calendar arithmetic of the real-time clock: seconds since 1970 to fields and back, register formats, and the next match of an alarm.
// Why not Date: its construction and range errors have no place in a device that a guest feeds any bytes.

export interface TimeOfDay {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}
export interface CalendarTime extends TimeOfDay {
  readonly year: number;
  /** 1..12 and 1..31. */
  readonly month: number;
  readonly day: number;
}
export interface Format {
  readonly binary: boolean;
  readonly hours24: boolean;
}
export interface Alarm extends TimeOfDay {}
/** Alarm field that matches always (register values 0xc0..0xff). */
export const ALARM_ANY = -1;
const DAY = 86_400;

/** Days from 1 January 1970; months beyond 1..12 carry into years. Counts years from March, so that the leap day is the last. */
const daysOf = (year: number, month: number, day: number): number => {
  const months = year * 12 + (month - 1) - 2;
  const y = Math.floor(months / 12);
  const m = months - y * 12;
  const leapDays = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return y * 365 + leapDays + Math.floor((153 * m + 2) / 5) + (day - 1) - 719_468;
};

export const secondsOf = (c: CalendarTime): number => daysOf(c.year, c.month, c.day) * DAY + c.hour * 3600 + c.minute * 60 + c.second;

/** `weekday` is 1 for Sunday. */
export const calendarOf = (seconds: number): CalendarTime & { readonly weekday: number } => {
  const days = Math.floor(seconds / DAY);
  const rest = seconds - days * DAY;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const m = Math.floor((5 * dayOfYear + 2) / 153);
  const month = m < 10 ? m + 3 : m - 9;
  return {
    year: era * 400 + yearOfEra + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * m + 2) / 5) + 1,
    weekday: ((((days + 4) % 7) + 7) % 7) + 1,
    hour: Math.floor(rest / 3600),
    minute: Math.floor(rest / 60) % 60,
    second: rest % 60,
  };
};

const PM = 0x80;

/** A number in the clock's register format; hours carry PM in bit 7 when counted to 12. */
export const toRegister = (value: number, format: Format, isHour: boolean): number => {
  const twelve = isHour && !format.hours24;
  const n = twelve ? ((value + 11) % 12) + 1 : value;
  const digits = format.binary ? n : (Math.floor(n / 10) << 4) | (n % 10);
  return (digits & 0xff) | (twelve && value >= 12 ? PM : 0);
};

export const fromRegister = (raw: number, format: Format, isHour: boolean): number => {
  const twelve = isHour && !format.hours24;
  const digits = twelve ? raw & ~PM : raw;
  const n = format.binary ? digits : (digits >>> 4) * 10 + (digits & 15);
  return twelve ? (n % 12) + (raw & PM ? 12 : 0) : n;
};

/** First second after `after` (seconds since 1970) whose time of day matches; Infinity when a field can match nothing. Takes a bounded number of carries. */
export const alarmSecond = (alarm: Alarm, after: number): number => {
  if (alarm.hour > 23 || alarm.minute > 59 || alarm.second > 59) return Number.POSITIVE_INFINITY;
  const start = after + 1;
  const midnight = Math.floor(start / DAY) * DAY;
  const rest = start - midnight;
  // Today from now on, then tomorrow from midnight: one of the two has a match.
  const today = matchFrom(alarm, Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60);
  return today >= 0 ? midnight + today : midnight + DAY + matchFrom(alarm, 0, 0, 0);
};

/** Second of the day of the first match at or after h:m:s, -1 when the day has none left. */
const matchFrom = (alarm: Alarm, h: number, m: number, s: number): number => {
  for (let hour = h; hour < 24; hour++, m = 0, s = 0) {
    if (alarm.hour !== ALARM_ANY && alarm.hour !== hour) continue;
    for (let minute = m; minute < 60; minute++, s = 0) {
      if (alarm.minute !== ALARM_ANY && alarm.minute !== minute) continue;
      if (alarm.second === ALARM_ANY) return hour * 3600 + minute * 60 + s;
      if (alarm.second >= s) return hour * 3600 + minute * 60 + alarm.second;
    }
  }
  return -1;
};
