// What is handed on to JavaScript (machine/shortcuts).

/** An instruction of the slow half -> SysResult. */
export declare function sysSlow(descriptor: i32): i32;
export declare function portRead(port: i32, bytes: i32): i32;
export declare function portWrite(port: i32, bytes: i32, value: i32): void;
