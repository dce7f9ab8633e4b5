// Java's JDBC with MariaDB's driver: parameters filled in by the client and bound by the server.

import java.nio.charset.StandardCharsets;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;

public class Jdbc {
    static final String INSERT = "INSERT INTO pipes_messages (name, event, message) VALUES (?, ?, ?)";
    static final String NAME = System.getenv("NAME");
    static final String PASSWORD = System.getenv("COMETQL_PASSWORD");
    static final String[] TEXTS = Arrays.stream(System.getenv("TEXTS").split(" "))
        .map(text -> new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8)).toArray(String[]::new);
    static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static int checks, failures;

    interface Body { void run() throws Exception; }

    static void check(String name, Body body) {
        checks++;
        try {
            body.run();
            out.println("ok " + checks + " - " + name);
        } catch (Exception error) {
            failures++;
            out.println("not ok " + checks + " - " + name);
            out.println(("# " + error).replace("\n", "\n# "));
            for (var line : error.getStackTrace()) if (line.getClassName().startsWith("Jdbc")) out.println("#     " + line);
        }
    }

    static void same(Object got, Object expected) {
        if (!expected.equals(got)) throw new IllegalStateException("got " + shown(got) + ", not " + shown(expected));
    }

    static String shown(Object value) {
        String text = String.valueOf(value);
        return text.length() > 300 ? text.substring(0, 300) : text;
    }

    static void fails(int number, Body body) throws Exception {
        try {
            body.run();
        } catch (SQLException error) {
            same(error.getErrorCode(), number);
            return;
        }
        throw new IllegalStateException("no error " + number);
    }

    static Connection login(String user, String password, String database, String options) throws SQLException {
        String at = System.getenv("COMETQL_HOST") + ":" + System.getenv("COMETQL_PORT");
        return DriverManager.getConnection("jdbc:mariadb://" + at + "/" + database + options, user, password);
    }

    static Connection login(String options) throws SQLException {
        return login(System.getenv("COMETQL_LOGIN"), PASSWORD, "CometQL_v1", options);
    }

    static PreparedStatement prepared(Connection db, String sql, Object... values) throws SQLException {
        PreparedStatement statement = db.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS);
        for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
        return statement;
    }

    static List<List<String>> rows(Connection db, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = prepared(db, sql, values); ResultSet result = statement.executeQuery()) {
            List<List<String>> rows = new ArrayList<>();
            while (result.next()) {
                List<String> row = new ArrayList<>();
                for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) row.add(result.getString(i));
                rows.add(row);
            }
            return rows;
        }
    }

    static void everyday(Connection db, String mode) {
        check(mode + ": queries, errors, and the connection goes on", () -> {
            same(rows(db, "SELECT 1"), List.of(List.of("1")));
            same(db.getMetaData().getDatabaseProductVersion(), rows(db, "SELECT @@version").get(0).get(0));
            same(rows(db, "SHOW TABLES").contains(List.of("pipes_messages")), true);
            try (Statement statement = db.createStatement()) {
                fails(1146, () -> statement.executeQuery("SELECT * FROM nowhere"));
                fails(1064, () -> statement.execute("SELEKT 1"));
                same(statement.executeUpdate("INSERT INTO pipes_messages (name, event, message) VALUES ('nobody_here', '', 'hello')"), 0);
            }
            fails(1146, () -> prepared(db, "INSERT INTO nowhere (a) VALUES (?)", "b").execute());
            same(db.getCatalog(), "CometQL_v1");
            db.setCatalog("db_15");
            same(db.getCatalog(), "db_15");
            same(db.isValid(5), true);
        });
        check(mode + ": transactions and autocommit", () -> {
            same(db.getAutoCommit(), true);
            db.setAutoCommit(false);
            same(db.getAutoCommit(), false);
            same(prepared(db, INSERT, "nobody_here", "", "hello").executeUpdate(), 0);
            db.commit();
            db.rollback();
            same(db.getAutoCommit(), false);
            db.setAutoCommit(true);
            same(db.getAutoCommit(), true);
        });
    }

    /** The first half one by one, the others as a batch. */
    static void publish(Connection db, String mode) {
        check(mode + ": every text as a parameter", () -> {
            try (PreparedStatement statement = db.prepareStatement(INSERT)) {
                statement.setString(1, NAME + "_" + mode);
                statement.setString(2, "note");
                for (int i = 0; i < TEXTS.length; i++) {
                    statement.setString(3, TEXTS[i]);
                    if (i < TEXTS.length / 2) same(statement.executeUpdate(), 0);
                    else statement.addBatch();
                }
                same(statement.executeBatch().length, TEXTS.length - TEXTS.length / 2);
            }
        });
        check(mode + ": parameters of every type come back", () -> {
            String sql = "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, ? AS f";
            var expected = Arrays.asList("-42", "1.5", TEXTS[0], null, "1099511627776", "1");
            for (int i = 0; i < 2; i++) same(rows(db, sql, -42, 1.5, TEXTS[0], null, 1L << 40, true), List.of(expected));
        });
    }

    static void tables(Connection db, String mode, int first) {
        check(mode + ": tables: every text as data of a user", () -> {
            for (int i = 0; i < TEXTS.length; i++) {
                try (PreparedStatement insert = prepared(db, "INSERT INTO users_data (id, data) VALUES (?, ?)", first + i, TEXTS[i])) {
                    same(insert.executeUpdate(), 1);
                    ResultSet keys = insert.getGeneratedKeys();
                    same(keys.next() ? keys.getInt(1) : -1, first + i);
                }
                same(rows(db, "SELECT id, data FROM users_data WHERE id = ?", first + i), List.of(List.of("" + (first + i), TEXTS[i])));
            }
        });
        check(mode + ": tables: IN, LIMIT, COUNT(*), DELETE", () -> {
            String in = " FROM users_data WHERE id IN (?, ?, ?)";
            Object[] ids = {first + 2, first, first + 1};
            var found = Arrays.stream(ids).map(id -> List.of(id.toString())).toList();
            same(rows(db, "SELECT id" + in, ids), found);
            same(rows(db, "SELECT id" + in + " LIMIT ?", ids[0], ids[1], ids[2], 2), found.subList(0, 2));
            same(rows(db, "SELECT COUNT(*)" + in, ids), List.of(List.of("3")));
            prepared(db, "DELETE FROM users_data WHERE id = ?", first).executeUpdate();
            same(rows(db, "SELECT id FROM users_data WHERE id = ?", first), List.of());
        });
        check(mode + ": tables: a user gets a hash and loses it", () -> {
            String hash = "0123456789abcdef+/=_";
            same(prepared(db, "INSERT INTO users_auth (id, hash) VALUES (?, ?)", first, hash).executeUpdate(), 1);
            same(rows(db, "SELECT * FROM users_auth WHERE id = ?", first), List.of(List.of("" + first, hash)));
            prepared(db, "DELETE FROM users_auth WHERE id = ?", first).executeUpdate();
            same(rows(db, "SELECT * FROM users_auth WHERE id = ?", first), List.of());
        });
    }

    public static void main(String[] arguments) throws Exception {
        check("a wrong password and an unknown database are told by their numbers", () -> {
            String user = System.getenv("COMETQL_LOGIN");
            fails(1045, () -> login(user, "guessed", "CometQL_v1", ""));
            fails(1049, () -> login(user, PASSWORD, "nowhere", ""));
        });
        Connection filling = login("");
        everyday(filling, "filled");
        publish(filling, "filled");
        check("the other tenant's user", () -> {
            String user = System.getenv("COMETQL_SHOP_LOGIN"), password = System.getenv("COMETQL_SHOP_PASSWORD");
            try (Connection shop = login(user, password, "CometQL_v1", "")) {
                prepared(shop, INSERT, NAME + "_shop", "note", TEXTS[0]).execute();
            }
        });
        Connection binding = login("?useServerPrepStmts=true");
        check("bound: it is the server that prepares", () -> { // or the driver would fill and say nothing
            same(binding.prepareStatement("SELECT ?").getClass().getSimpleName(), "ServerSidePreparedStatement");
        });
        everyday(binding, "bound");
        publish(binding, "bound");
        tables(filling, "filled", 1000);
        tables(binding, "bound", 2000);
        filling.close();
        binding.close();
        out.println("1.." + checks);
        System.exit(failures > 0 ? 1 : 0);
    }
}
