export interface CsvRecord {
  /** Counted from 1, where the record starts. */
  readonly line: number;
  readonly fields: readonly string[];
}

/**
 * RFC 4180 as Go's encoding/csv reads it: empty lines are skipped, a quote inside a field that is not quoted is an error. `refuse` makes
 * the error of a line; it is never given the line's text.
 */
export function parseCsv(text: string, refuse: (line: number, why: string) => Error): CsvRecord[] {
  const records: CsvRecord[] = [];
  let position = 0;
  let line = 1;

  const quotedField = (): string => {
    let value = '';
    const start = line;
    for (position++; ; position++) {
      const char = text[position];
      if (char === undefined) throw refuse(start, 'a quote is not closed');
      if (char === '\n') line++;
      if (char !== '"') {
        value += char;
      } else if (text[position + 1] === '"') {
        value += '"';
        position++;
      } else {
        position++;
        return value;
      }
    }
  };

  const plainField = (): string => {
    const start = position;
    while (position < text.length && text[position] !== ',' && text[position] !== '\n') {
      if (text[position] === '"') throw refuse(line, 'a quote in a field that is not quoted');
      position++;
    }
    const value = text.slice(start, position);
    return value.endsWith('\r') && text[position] !== ',' ? value.slice(0, -1) : value;
  };

  while (position < text.length) {
    const start = line;
    const fields: string[] = [];
    for (;;) {
      fields.push(text[position] === '"' ? quotedField() : plainField());
      if (text.startsWith('\r\n', position)) position++;
      const end = text[position];
      if (end !== undefined && end !== ',' && end !== '\n') throw refuse(line, 'text after a closing quote');
      position++;
      if (end === '\n') line++;
      if (end !== ',') break;
    }
    if (fields.length > 1 || fields[0] !== '') records.push({ line: start, fields });
  }
  return records;
}
