// What is handed on to JavaScript (machine/shortcuts).

/** An instruction of the slow half -> SysResult. */
export declare function sysSlow(descriptor: i32): i32;
/** Memory accesses that the inline lookup of the TLB has missed: as translated code calls them. */
export declare function loadSlow(gva: f64, info: i32): i32;
export declare function storeSlow(gva: f64, width: i32): i32;
export declare function portRead(port: i32, bytes: i32): i32;
export declare function portWrite(port: i32, bytes: i32, value: i32): void;
