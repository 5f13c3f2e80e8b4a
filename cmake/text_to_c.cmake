# cmake -DTEXT=FILE -DC=FILE -P text_to_c.cmake: the lines of a text as an array of strings in C.
file(READ ${TEXT} text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\",\n    \"" text "${text}")
file(WRITE ${C} "#include \"models/export/c/write.h\"

const char *const bnn_c_loops[] = {
    \"${text}\\n\", NULL};
")
