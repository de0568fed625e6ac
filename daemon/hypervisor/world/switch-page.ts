// The switch page: the code that takes an LP from long super-mode to legacy super-mode, where a legacy guest can run, and back (US7260702B2, claim 1; SDM 3A 10.8.5).
// Why a page of its own: while paging is off, and when another table has just been loaded, the next instruction must be where it was. The page is mapped linear = physical
// in both tables, and its code never knows which of them is in force.
// Why as a listing: it is what the processor executes, byte by byte; the text beside it is checked against a disassembler and printed in ARCHITECTURE.md.
import { HostMap } from '../../../shared/layout/host-memory.js';

/** Address, code size, bytes, instruction; labels with what follows from there. */
export const LISTING = `\
enter: ; 64-bit: everything that legacy mode would cut to 32 bits, or the guest will have changed, is put aside
8000 64 9c                   pushf
8001 64 fa                   cli
8002 64 50                   push rax
8003 64 51                   push rcx
8004 64 52                   push rdx
8005 64 53                   push rbx
8006 64 55                   push rbp
8007 64 56                   push rsi
8008 64 57                   push rdi
8009 64 4150                 push r8
800b 64 4151                 push r9
800d 64 4152                 push r10
800f 64 4153                 push r11
8011 64 4154                 push r12
8013 64 4155                 push r13
8015 64 4156                 push r14
8017 64 4157                 push r15
8019 64 f3480faec0           rdfsbase rax
801e 64 50                   push rax
801f 64 f3480faec8           rdgsbase rax
8024 64 50                   push rax
8025 64 0f20d0               mov rax,cr2
8028 64 50                   push rax
8029 64 0f21f8               mov rax,dr7
802c 64 50                   push rax
802d 64 a8ff                 test al,0xFF
802f 64 743f                 je short 0x8070
8031 64 0f21c1               mov rcx,dr0
8034 64 48890c25e0000100     mov [0x100E0],rcx
803c 64 0f21c9               mov rcx,dr1
803f 64 48890c25e8000100     mov [0x100E8],rcx
8047 64 0f21d1               mov rcx,dr2
804a 64 48890c25f0000100     mov [0x100F0],rcx
8052 64 0f21d9               mov rcx,dr3
8055 64 48890c25f8000100     mov [0x100F8],rcx
805d 64 0f21f1               mov rcx,dr6
8060 64 48890c2500010100     mov [0x10100],rcx
8068 64 b900040000           mov ecx,0x400
806d 64 0f23f9               mov dr7,rcx
8070 64 48892425d0000100     mov [0x100D0],rsp
8078 64 8b3425c0000100       mov esi,[0x100C0]
807f 64 6a18                 push 0x18
8081 64 6888800000           push 0x8088
8086 64 48cb                 retfq
compat: ; compatibility mode, on this page: paging off (LMA falls), the legacy tables, LME off, paging on
8088 32 0f20c3               mov ebx,cr0
808b 32 81e3ffffff7f         and ebx,0x7FFFFFFF
8091 32 0f22c3               mov cr0,ebx
8094 32 0f22de               mov cr3,esi
8097 32 b9800000c0           mov ecx,0xC0000080
809c 32 0f32                 rdmsr
809e 32 25fffeffff           and eax,0xFFFFFEFF
80a3 32 0f30                 wrmsr
80a5 32 81cb00000080         or ebx,0x80000000
80ab 32 0f22c3               mov cr0,ebx
80ae 32 eab58000001800       jmp 0x0018:0x80B5
legacy: ; legacy protected mode: the far side's own GDT, IDT and TSS; CS, DS, ES and SS are the same segments in both GDTs
80b5 32 0f0115a0000100       lgdt [0x100A0]
80bc 32 0f011db0000100       lidt [0x100B0]
80c3 32 bc00200100           mov esp,0x12000
80c8 32 802565000100fd       and byte [0x10065],0xFD
80cf 32 b820000000           mov eax,0x20
80d4 32 0f00d8               ltr ax
run: ; guest mode; interrupts that end it wait until here for IF
80d7 32 b800000100           mov eax,0x10000
80dc 32 0f01d8               vmrun
exit:
80df 32 833dd800010060       cmp dword [0x100D8],0x60
80e6 32 7503                 jne short 0x80EB
80e8 32 fb                   sti
80e9 32 90                   nop
80ea 32 fa                   cli
back: ; the same way back: paging off, LME on, the 4-level tables, paging on (LMA rises), CS.L
80eb 32 0f011580000100       lgdt [0x10080]
80f2 32 8b3dc8000100         mov edi,[0x100C8]
80f8 32 0f20c3               mov ebx,cr0
80fb 32 81e3ffffff7f         and ebx,0x7FFFFFFF
8101 32 0f22c3               mov cr0,ebx
8104 32 b9800000c0           mov ecx,0xC0000080
8109 32 0f32                 rdmsr
810b 32 0d00010000           or eax,0x100
8110 32 0f30                 wrmsr
8112 32 0f22df               mov cr3,edi
8115 32 81cb00000080         or ebx,0x80000000
811b 32 0f22c3               mov cr0,ebx
811e 32 ea258100000800       jmp 8:0x8125
longside: ; 64-bit: IDT, TSS, debug registers, CR2, bases, all sixteen registers
8125 64 0f011c2590000100     lidt [0x10090]
812d 64 488b2425d0000100     mov rsp,[0x100D0]
8135 64 80242525000100fd     and byte [0x10025],0xFD
813d 64 b820000000           mov eax,0x20
8142 64 0f00d8               ltr ax
8145 64 58                   pop rax
8146 64 a8ff                 test al,0xFF
8148 64 743a                 je short 0x8184
814a 64 488b0c25e0000100     mov rcx,[0x100E0]
8152 64 0f23c1               mov dr0,rcx
8155 64 488b0c25e8000100     mov rcx,[0x100E8]
815d 64 0f23c9               mov dr1,rcx
8160 64 488b0c25f0000100     mov rcx,[0x100F0]
8168 64 0f23d1               mov dr2,rcx
816b 64 488b0c25f8000100     mov rcx,[0x100F8]
8173 64 0f23d9               mov dr3,rcx
8176 64 488b0c2500010100     mov rcx,[0x10100]
817e 64 0f23f1               mov dr6,rcx
8181 64 0f23f8               mov dr7,rax
8184 64 58                   pop rax
8185 64 0f22d0               mov cr2,rax
8188 64 58                   pop rax
8189 64 f3480faed8           wrgsbase rax
818e 64 58                   pop rax
818f 64 f3480faed0           wrfsbase rax
8194 64 415f                 pop r15
8196 64 415e                 pop r14
8198 64 415d                 pop r13
819a 64 415c                 pop r12
819c 64 415b                 pop r11
819e 64 415a                 pop r10
81a0 64 4159                 pop r9
81a2 64 4158                 pop r8
81a4 64 5f                   pop rdi
81a5 64 5e                   pop rsi
81a6 64 5d                   pop rbp
81a7 64 5b                   pop rbx
81a8 64 5a                   pop rdx
81a9 64 59                   pop rcx
81aa 64 58                   pop rax
81ab 64 9d                   popf
81ac 64 51                   push rcx
81ad 64 8b0c25dc000100       mov ecx,[0x100DC]
81b4 64 e314                 jrcxz 0x81CA
81b6 64 c70425dc00010000000000 mov dword [0x100DC],0
81c1 64 8d0c8d00b00000       lea ecx,[rcx*4+0xB000]
81c8 64 ffd1                 call rcx
81ca 64 59                   pop rcx
landing: ; to the hypervisor, and from it
81cb 64 0f01d9               vmmcall
81ce 64 e92dfeffff           jmp 0x8000
handler: ; all vectors of the 64-bit IDT: counted, handed over
81d3 64 50                   push rax
81d4 64 8b442408             mov eax,[rsp+8]
81d8 64 ff048540020100       inc dword [rax*4+0x10240]
81df 64 89042508010100       mov [0x10108],eax
handed:
81e6 64 0f01d9               vmmcall
81e9 64 58                   pop rax
81ea 64 4883c408             add rsp,8
81ee 64 48cf                 iretq
farhandler: ; all vectors of the far side's IDT: back through the page with it
81f0 32 8f05dc000100         pop dword [0x100DC]
81f6 32 e9f0feffff           jmp 0x80EB
`;

interface Assembled {
  readonly bytes: Uint8Array;
  readonly labels: ReadonlyMap<string, number>;
}
const ROW = /^([0-9a-f]{4}) (?:64|32) ([0-9a-f]+) +.+$/;
const assembled = (listing: string): Assembled => {
  const labels = new Map<string, number>();
  const bytes: number[] = [];
  let next = HostMap.SWITCH_PAGE;
  for (const line of listing.trimEnd().split('\n')) {
    const [, address, code] = ROW.exec(line) ?? [];
    if (address === undefined) labels.set(line.slice(0, line.indexOf(':')), next);
    else {
      for (let i = 0; i < code.length; i += 2) bytes.push(Number.parseInt(code.slice(i, i + 2), 16));
      next = Number.parseInt(address, 16) + code.length / 2;
    }
  }
  return { bytes: Uint8Array.from(bytes), labels };
};

const code = assembled(LISTING);
const label = (name: string): number => {
  const at = code.labels.get(name);
  if (at === undefined) throw new RangeError(`the switch page has no label ${name}`);
  return at;
};

/** The page's code, from its first byte on. */
export const SWITCH_CODE: Uint8Array = code.bytes;
/** Where what begins. */
export const SwitchCode = {
  ENTER: label('enter'),
  EXIT: label('exit'),
  LANDING: label('landing'),
  HANDLER: label('handler'),
  HANDED: label('handed'),
  FAR_HANDLER: label('farhandler'),
} as const;
