/** What `hvd images fetch` can prepare, and what each is. Apart from what prepares them: the command line is read without that. */
export const IMAGES = {
  debian: "Debian's cloud kernel",
  'debian-pvh': "Debian's cloud kernel, entered as a vmlinux by PVH",
  'debian-generic': "Debian's generic kernel",
  'debian-i386': "Debian's 32-bit kernel (PAE)",
  seabios: "Debian's BIOS for disk images",
} as const;
