(start $forever)
(func $forever (loop $again (br $again)))
(func $run (result i32) (call $done))
