use slimta_queue_dict::{DictStorage, Envelope, RedbError, RedbHost};

pub async fn write_one(path: &std::path::Path) -> Result<u64, slimta_queue_dict::Error<RedbError>> {
    let host = RedbHost::open(path).map_err(slimta_queue_dict::Error::Host)?;
    let storage = DictStorage::new(host);
    let envelope = Envelope { recipients: vec!["you@example.com".into()], ..Envelope::default() };
    storage.write(envelope, 0.0, None).await?;
    let messages = storage.get_info().await?.meta_size;
    storage.close().await?;
    Ok(messages)
}
