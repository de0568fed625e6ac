// hvd images: guests from elsewhere, prepared so that `hvd run` knows them by name.
import { Argument, type Command } from 'commander';
import { printLine, printTable } from '../output.js';

export const addImages = (program: Command): void => {
  const images = program.command('images').description('guests from elsewhere, by name');
  images
    .command('fetch')
    .addArgument(new Argument('<name>', 'which').choices(['debian', 'seabios']))
    .description(
      "download and prepare: debian is Debian's cloud kernel with a busybox shell, seabios its BIOS for disk images (needs apt and dpkg, installs nothing)",
    )
    .action(async (name: string) => {
      const { fetchDebian } = await import('../images/debian.js');
      const { fetchSeabios } = await import('../images/seabios.js');
      printLine(name === 'debian' ? fetchDebian() : fetchSeabios());
    });
  images
    .command('list')
    .description('what is prepared')
    .action(async () => {
      const { imageFolder, preparedImages } = await import('../../root/config/prepared-images.js');
      printTable(
        ['IMAGE', 'FOLDER'],
        preparedImages().map((name) => [name, imageFolder(name)]),
      );
    });
};
