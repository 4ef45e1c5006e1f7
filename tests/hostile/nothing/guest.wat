(func $run (result i32) (call $done))
