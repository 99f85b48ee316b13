mod expression;
mod schedule;
mod source;
