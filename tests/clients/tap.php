<?php
// Says the outcome of checks in lines that programs.mjs reads.

$checks = 0;
$failures = 0;

function check(string $name, callable $run): void
{
    global $checks, $failures;
    $checks++;
    try {
        $run();
        echo "ok $checks - $name\n";
    } catch (Throwable $error) {
        $failures++;
        $words = get_class($error) . ': ' . $error->getMessage() . "\n" . $error->getTraceAsString();
        echo "not ok $checks - $name\n", preg_replace('/^/m', '# ', $words), "\n";
    }
}

function same(mixed $got, mixed $expected): void
{
    if ($got !== $expected) {
        throw new UnexpectedValueException('got ' . shown($got) . ', not ' . shown($expected));
    }
}

function shown(mixed $value): string
{
    return substr(var_export($value, true), 0, 300);
}

/** What runs must end in an error of this number. */
function fails(int $number, callable $run): void
{
    try {
        $run();
    } catch (mysqli_sql_exception $error) {
        same($error->getCode(), $number);
        return;
    } catch (PDOException $error) {
        same($error->errorInfo[1] ?? $error->getCode(), $number);
        return;
    }
    throw new UnexpectedValueException("no error $number");
}

function texts(): array
{
    return array_map('base64_decode', explode(' ', getenv('TEXTS')));
}

function done(): never
{
    global $checks, $failures;
    echo "1..$checks\n";
    exit($failures > 0 ? 1 : 0);
}
