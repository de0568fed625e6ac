// What the exit statuses of hvd mean: those of sysexits.h where one fits. README and the manual page show this table.

export interface ExitStatus {
  readonly status: number;
  /** Its name in sysexits.h. */
  readonly name: string;
  readonly meaning: string;
}

export const EXIT_STATUSES: readonly ExitStatus[] = [
  { status: 0, name: '', meaning: 'done; of hvd run: the text was seen, or the guest powered off' },
  { status: 1, name: '', meaning: 'of hvd load run and hvd experiment: an assertion does not hold, or a cell has failed' },
  { status: 64, name: 'EX_USAGE', meaning: 'the command line is wrong' },
  { status: 65, name: 'EX_DATAERR', meaning: 'a file or a value is not what it must be' },
  { status: 66, name: 'EX_NOINPUT', meaning: 'a file, an image, or what was named is not there' },
  { status: 69, name: 'EX_UNAVAILABLE', meaning: 'no daemon answers, or what is needed cannot be had' },
  { status: 70, name: 'EX_SOFTWARE', meaning: 'a defect of hvd; of hvd run: a triple fault' },
  { status: 71, name: 'EX_OSERR', meaning: 'the host gives no memory or no thread, or an LP has died; of hvd run: the partition crashed' },
  { status: 72, name: '', meaning: 'of hvd replay: the course is another one than the recorded' },
  { status: 73, name: 'EX_CANTCREAT', meaning: 'it exists already, or cannot be written' },
  { status: 75, name: 'EX_TEMPFAIL', meaning: 'not in its present state; later it may work' },
  { status: 76, name: 'EX_PROTOCOL', meaning: 'the other end speaks another protocol' },
  { status: 124, name: '', meaning: 'of hvd run: its time is up' },
  { status: 130, name: '', meaning: 'interrupted' },
];
