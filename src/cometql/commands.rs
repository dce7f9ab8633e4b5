//! What every command but COM_QUERY does.

use log::debug;

use super::session::{Form, Phase, Session};
use super::statement::Statement;
use super::{Context, Error, Step, run, variables};
use crate::proto::mysql::Code;
use crate::proto::mysql::command::Command;
use crate::proto::mysql::prepared::{self, Execute};
use crate::proto::mysql::resultset;

impl Session {
    pub(super) fn on_command(
        &mut self,
        payload: &[u8],
        context: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let command = match Command::parse(payload) {
            Ok(command) => command,
            Err(error) => {
                self.error(error.code(), error.text(), out);
                return self.ready();
            }
        };
        match command {
            Command::Quit => {
                self.phase = Phase::Closed { login_failed: false };
                return Step::Close;
            }
            Command::ChangeUser(change) => return self.on_change_user(&change, context, out),
            Command::Ping => self.ok(out),
            Command::ResetConnection => {
                self.forget();
                self.ok(out);
            }
            Command::SendLongData { statement, parameter, data } => {
                if let Some(statements) = &mut self.statements {
                    let bytes_max = context.limits.statement_bytes_max;
                    match context.may_keep {
                        true => statements.send_ahead(statement, parameter, data, bytes_max),
                        false => statements.refuse_ahead(statement),
                    }
                }
            }
            Command::CloseStatement(id) => self.close_statement(id),
            Command::Unanswered => {}
            _ if self.is_check => self.answer(Err(Error::Denied), Form::Text, out),
            Command::Query(text) => return self.on_query(text, context, out),
            Command::Execute(execute) => {
                let statement = self.bound(&execute);
                return self.run_one(statement, Form::Binary, context, out);
            }
            other => {
                if let Err(error) = self.on_other_command(other, context, out) {
                    self.answer(Err(error), Form::Text, out);
                }
            }
        }
        self.ready()
    }

    /// Those that are answered at once, and may fail.
    fn on_other_command(
        &mut self,
        command: Command<'_>,
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let status = self.status;
        match command {
            Command::InitDb(name) => {
                let name = String::from_utf8_lossy(name);
                let name = run::open_database(&name, self.tenant, context.accounts)?;
                self.answer_run(run::Run::Use(name), Form::Text, out);
            }
            Command::FieldList { table, wildcard } => {
                let table = String::from_utf8_lossy(table);
                let names = run::fields(table.to_string(), &self.who(), context)?;
                let wildcard = String::from_utf8_lossy(wildcard);
                let fits = |name: &&str| wildcard.is_empty() || variables::is_like(name, &wildcard);
                let names = names.into_iter().filter(fits);
                self.write(out, |writer| resultset::fields(writer, &table, names, status));
            }
            Command::SetOption { multi_statements } => {
                self.multi_statements = multi_statements;
                self.write(out, |writer| resultset::eof(writer, status));
            }
            Command::Statistics => {
                let (seconds, version) = (context.uptime_seconds, variables::VERSION);
                let text = format!("Uptime: {seconds}  Version: {version}");
                self.write(out, |writer| resultset::text(writer, &text));
            }
            Command::Prepare(text) => self.prepare(text, context, out)?,
            Command::ResetStatement(id) => {
                let statements = self.statements.as_mut().ok_or(Error::NoStatement(id))?;
                statements.get_mut(id)?.reset();
                self.ok(out);
            }
            Command::Fetch(id) => {
                let statements = self.statements.as_mut().ok_or(Error::NoStatement(id))?;
                return statements.get_mut(id).and(Err(Error::NoCursor(id)));
            }
            other => {
                debug!("cometql {}: {other:?} is not served", self.connection_number);
                self.error(Code::UNKNOWN_COMMAND, "Unknown command", out);
            }
        }
        Ok(())
    }

    fn ok(&mut self, out: &mut Vec<u8>) {
        let status = self.status;
        self.write(out, |writer| resultset::ok(writer, 0, 0, status));
    }

    fn prepare(
        &mut self,
        text: &[u8],
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if !context.may_keep {
            return Err(Error::OutOfMemory);
        }
        let text = str::from_utf8(text).map_err(|_| Error::NotUtf8)?;
        let (statement, parameters) = Statement::prepare(text)?;
        debug!("cometql {}: prepare {}", self.connection_number, statement.kind());
        let columns = run::describe(statement, &self.who(), context)?;
        let bytes_max = context.limits.statement_bytes_max;
        let statements = self.statements.get_or_insert_default();
        // Where this fails there are others, or the text is above the bound of a packet.
        let (id, parameters) = statements.add(text, parameters, bytes_max)?;
        let status = self.status;
        self.write(out, |writer| prepared::prepared(writer, id, parameters, &columns, status));
        Ok(())
    }

    /// The statement that is to be executed, with its values.
    fn bound(&mut self, execute: &Execute<'_>) -> Result<Statement, Error> {
        let id = execute.statement;
        let prepared = self.statements.as_mut().ok_or(Error::NoStatement(id))?.get_mut(id)?;
        let parameters = prepared.bind(execute)?;
        Statement::execute(&prepared.text, parameters)
    }

    /// Without any, nothing is left of them.
    fn close_statement(&mut self, id: u32) {
        if let Some(statements) = &mut self.statements {
            statements.remove(id);
            if statements.is_empty() {
                self.statements = None;
            }
        }
    }
}
