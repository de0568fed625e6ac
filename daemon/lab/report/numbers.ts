// Numbers as people read them in tables.

/** Four digits that count, thousands apart. */
export const formatNumber = (value: number): string => {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(4)));
};
export const formatRatio = (ratio: number | undefined): string => (ratio === undefined ? '' : `${ratio.toFixed(ratio >= 10 ? 1 : 2)} ×`);
